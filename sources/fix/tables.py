"""FIX codes in the desk's words."""

from domain.vocabulary import EventKind, RejectReason

ORDER_TYPES = {
    "1": "MARKET",
    "2": "LIMIT",
    "3": "STOP",
    "4": "STOP_LIMIT",
    "5": "MARKET_ON_CLOSE",
    "B": "LIMIT_ON_CLOSE",
    "P": "PEGGED",
}
"""FIX 40."""

PRICED = frozenset({"LIMIT", "STOP_LIMIT", "LIMIT_ON_CLOSE", "PEGGED"})
"""Order types whose tag 44 is a limit."""

TIMES_IN_FORCE = {
    "0": "DAY",
    "1": "GTC",
    "2": "OPG",
    "3": "IOC",
    "4": "FOK",
    "5": "GTX",
    "6": "GTD",
    "7": "CLS",
}
"""FIX 59."""

LIQUIDITY = {"1": "ADDED", "2": "REMOVED", "3": "ROUTED", "4": "AUCTION"}
"""FIX 851."""

STRATEGIES = {"1": "VWAP", "2": "POV", "3": "IS"}
"""FIX 847: the target strategies that name a schedule; others keep their code."""

ASSET_CLASSES = {
    "CS": "EQUITY",
    "PS": "EQUITY",
    "ETF": "EQUITY",
    "FUT": "FUTURE",
    "OPT": "OPTION",
    "FOR": "FX",
    "FXSPOT": "FX",
    "FXFWD": "FX",
    "FXNDF": "FX",
    "CORP": "BOND",
    "GOVT": "BOND",
    "TBOND": "BOND",
    "TNOTE": "BOND",
    "MUNI": "BOND",
}
"""FIX 167."""

EXEC_TYPES = {
    "0": EventKind.ORDER_ACCEPTED,
    "3": EventKind.ORDER_DONE_FOR_DAY,
    "4": EventKind.ORDER_CANCELLED,
    "5": EventKind.ORDER_REPLACED,
    "6": EventKind.ORDER_PENDING_CANCEL,
    "8": EventKind.ORDER_REJECTED,
    "9": EventKind.ORDER_SUSPENDED,
    "A": EventKind.ORDER_ACCEPTED,
    "C": EventKind.ORDER_EXPIRED,
    "D": EventKind.ORDER_REPLACED,
    "E": EventKind.ORDER_PENDING_REPLACE,
}
"""FIX 150, and FIX 39 where 150 is not there, without the executions."""

EXECUTIONS = frozenset({"1", "2", "F"})
"""FIX 150 of an execution: partial fill and fill to 4.2, trade from 4.3."""

REWRITES_42 = {"1": EventKind.FILL_BUSTED, "2": EventKind.FILL_CORRECTED}
"""FIX 20, to 4.2."""

REWRITES = {"H": EventKind.FILL_BUSTED, "G": EventKind.FILL_CORRECTED}
"""FIX 150, from 4.3."""

CANCEL_REJECTS = {
    "1": RejectReason.UNKNOWN_ORDER,
    "6": RejectReason.DUPLICATE_ORDER,
}
"""FIX 102; every other code is OTHER."""

SESSION_TYPES = frozenset({"0", "1", "2", "4", "5", "A"})
"""FIX 35 of the session itself: nothing to monitor."""
