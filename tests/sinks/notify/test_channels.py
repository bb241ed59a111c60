"""Each channel against a real server: what is sent, and how every answer is taken."""

import time
from email.header import decode_header, make_header

import msgspec
import pytest

from domain.channels_check import notify_of
from domain.errors import ConfigurationError
from sinks.notify.outcome import End
from sinks.notify.page import PageKind, alert_page, digest_page, text_of, trial_page
from sinks.notify.pagerduty import pagerduty_event
from sinks.notify.senders import open_sender, send_test
from sinks.notify.signature import SIGNATURE, TIMESTAMP, signature, wrong_with
from sinks.notify.slack import slack_message
from sinks.notify.teams import teams_message
from tests.alert_messages import alert_event, alert_id, changed, raw_of
from tests.receivers import Answer, HttpReceiver, MailReceiver

from .conftest import T0

KEY = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
SECRET = "0123456789abcdef"
EVENT = alert_event("A<1> & #ü", at=T0, why="three marks in a row")
AT = "2026-09-21T13:33:20Z"


def page(event=EVENT, kind=PageKind.ALERT, **more):
    return alert_page(KEY, kind, event, raw=raw_of(event), link="https://x.example/", **more)


def channel(kind, url, **more):
    told = {"webhook": {"secret": SECRET}, "pagerduty": {"routing_key": "R"}}.get(kind, {})
    return notify_of({"channels": {"c": {"kind": kind, "url": url, **told, **more}}}).channels["c"]


def mail_channel(port, **more):
    table = {"kind": "smtp", "host": "127.0.0.1", "port": port, "security": "none",
             "sender": "execmon@example.com", "to": ["a@example.com", "b@example.com"]}  # fmt: skip
    return notify_of({"channels": {"c": {**table, **more}}}).channels["c"]


def sent(told, one=None):
    sender = open_sender(told)
    try:
        return sender.send(one or page())
    finally:
        sender.close()


def test_a_page_says_what_is_wrong_how_far_it_is_and_what_to_do():
    found = page()

    assert found.subject == "HIGH: SLOW_EXECUTION A<1> & #ü (US-CASH)"
    assert text_of(found).splitlines() == [
        "Order: A<1> & #ü",
        "What: SLOW_EXECUTION",
        "Severity: HIGH",
        "State: OPEN",
        "Desk: US-CASH",
        "Progress: 45% done, 70% expected",
        "Evidence: actual 0.25, threshold 0.2",
        "Recommendation: Consider increasing participation rate",
        "Why: three marks in a row",
        f"Since: {AT}",
        "",
        "https://x.example/#A%3C1%3E%20%26%20%23%C3%BC",
    ]


def test_a_venue_s_page_names_the_venue_and_its_orders_and_links_to_the_page():
    orders = [f"A{n}" for n in range(60)]
    event = alert_event("venue:XNAS", at=T0, type_="VENUE_ISSUE", order_ids=orders)
    members = [alert_event("A3", at=T0), alert_event("A4", at=T0, severity="MEDIUM")]

    found = page(event, members=members)

    text = text_of(found)
    assert text.startswith("Venue: XNAS\n")
    assert "Orders: 60\n" in text
    assert found.lines[:3] == [
        "HIGH SLOW_EXECUTION A3, 45% done, 70% expected",
        "MEDIUM SLOW_EXECUTION A4, 45% done, 70% expected",
        "A0",
    ]
    assert len(found.lines) == 50
    assert "- and 10 more" in text
    assert text.endswith("https://x.example/")


def test_an_algorithm_without_progress_or_evidence_leaves_those_out():
    event = alert_event("algo:VWAP|BRK1", at=T0, type_="ALGORITHM_UNDERPERFORMANCE", desk="")
    bare = msgspec.structs.replace(event.execution_alert, current_progress=None)
    text = text_of(page(msgspec.structs.replace(event, execution_alert=bare, monitoring=None)))

    assert text.startswith("Algorithm: VWAP|BRK1\nWhat: ALGORITHM_UNDERPERFORMANCE\n")
    for absent in ("Progress", "Evidence", "Desk", "Orders"):
        assert absent not in text


def test_the_end_of_an_alert_says_how_it_ended_and_who_did_it():
    event = alert_event("A1", at=T0, change="CLOSED", state="CLOSED", by="ann")
    over = page(event, PageKind.OVER, why="FALSE_MARKET")
    covered = page(changed(event, state="OPEN", suppressed_by="V"), PageKind.OVER)

    assert over.subject == "CLOSED: SLOW_EXECUTION A1 (US-CASH)"
    assert "State: CLOSED, by ann\n" in text_of(over)
    assert "Why: FALSE_MARKET\n" in text_of(over)
    assert "Recommendation" not in text_of(over)
    assert covered.subject == "COVERED: SLOW_EXECUTION A1 (US-CASH)"


def test_a_digest_of_several_desks_has_the_worst_first():
    events = [
        alert_event("A", at=T0, severity="MEDIUM"),
        alert_event("B", at=T0, severity="HIGH", desk="EU"),
        alert_event("C", at=T0, severity="HIGH", desk="EU", state="RESOLVED"),
    ]
    found = digest_page(KEY, [(event, raw_of(event)) for event in events], at=AT)

    assert found.subject == "Execution alerts: 3 collected, 2 still open"
    assert found.facts == [("Desks", "EU, US-CASH")]
    assert [line.split()[2].rstrip(",") for line in found.lines] == ["B", "C", "A"]
    assert found.desk == ""


def test_a_webhook_is_signed_over_its_time_and_body(http):
    outcome = sent(channel("webhook", f"{http.url}/in?x=1"))

    [one] = http.received
    assert outcome.end is End.DELIVERED
    assert one.path == "/in?x=1"
    assert wrong_with(SECRET, one.headers, one.body, time.time()) == ""
    told = one.json
    assert told["events"] == [msgspec.json.decode(raw_of(EVENT))]
    assert (told["key"], told["alert_id"], told["severity"]) == (KEY, alert_id(EVENT), "HIGH")
    assert told["text"] == text_of(page())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secret": "another secret!!"}, "is not that of the body under this secret"),
        ({"body": b"{}x"}, "is not that of the body"),
        ({"timestamp": "1700000001"}, "is not that of the body"),
        ({"timestamp": "soon"}, f"{TIMESTAMP} must be whole UNIX seconds, was 'soon'"),
        ({"signature": ""}, f"{SIGNATURE} is not that of"),
        ({"signature": "v1=ü"}, f"{SIGNATURE} is not that of"),
        ({"now": 1_700_000_301}, "+301 s from now"),
        ({"now": 1_699_999_699}, "-301 s from now"),
        ({}, ""),
        ({"now": 1_700_000_300}, ""),
        ({"signature": "v1=00, " + signature(SECRET, "1700000000", b"{}")}, ""),
    ],
)
def test_a_receiver_finds_out_what_is_not_ours(change, words):
    told = {"secret": SECRET, "body": b"{}", "timestamp": "1700000000", "now": 1_700_000_000,
            "signature": signature(SECRET, "1700000000", b"{}"), **change}  # fmt: skip
    headers = {TIMESTAMP.lower(): told["timestamp"], SIGNATURE: told["signature"]}

    found = wrong_with(told["secret"], headers, told["body"], told["now"])

    assert words in found
    assert bool(words) == bool(found)


def test_slack_gets_its_own_json_with_nothing_of_ours_taken_for_markup(http):
    assert sent(channel("slack", f"{http.url}/services/T")).end is End.DELIVERED

    told = http.received[0].json
    link = "https://x.example/#A%3C1%3E%20%26%20%23%C3%BC"
    assert told["text"] == f"<{link}|HIGH: SLOW_EXECUTION A&lt;1&gt; &amp; #ü (US-CASH)>"
    [attachment] = told["attachments"]
    assert attachment["color"] == "#ea580c"
    assert "45% done" in attachment["blocks"][0]["text"]["text"]
    long = msgspec.structs.replace(page(), lines=["x" * 100] * 50, link="")
    assert slack_message(long)["text"].startswith("HIGH")
    assert len(slack_message(long)["attachments"][0]["blocks"][0]["text"]["text"]) < 3_000


def test_teams_gets_an_adaptive_card(http):
    one = msgspec.structs.replace(page(), lines=["A1", "A2"], left_out=3)
    assert sent(channel("teams", http.url), one).end is End.DELIVERED

    [attachment] = http.received[0].json["attachments"]
    card = attachment["content"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [block["type"] for block in card["body"]] == ["TextBlock", "FactSet", "TextBlock"]
    assert card["body"][2]["text"] == "- A1\n- A2\n- and 3 more"
    assert card["actions"][0]["url"] == one.link
    bare = teams_message(trial_page(KEY, "c", at=AT))
    assert "actions" not in bare["attachments"][0]["content"]


def test_pagerduty_gets_an_incident_that_its_alert_s_id_ends(http):
    told = channel("pagerduty", f"{http.url}/")
    over = alert_event("A1", at=T0, change="RESOLVED", state="RESOLVED", seq=2)
    sent(told)
    sent(told, page(over, PageKind.OVER))

    trigger, resolve = (one.json for one in http.received)
    assert {one.path for one in http.received} == {"/v2/enqueue"}
    assert trigger["event_action"] == "trigger"
    assert trigger["dedup_key"] == alert_id(EVENT)
    assert trigger["payload"]["severity"] == "error"
    assert trigger["payload"]["custom_details"]["Progress"] == "45% done, 70% expected"
    assert trigger["client_url"].startswith("https://x.example/#")
    assert resolve == {
        "routing_key": "R", "event_action": "resolve", "dedup_key": alert_id(over),
    }  # fmt: skip
    bare = pagerduty_event(trial_page(KEY, "c", at=AT), "R")
    assert "links" not in bare
    assert bare["dedup_key"] == KEY


def test_a_repeat_is_labelled_on_every_channel(http, mail):
    again = msgspec.structs.replace(page(), is_repeat=True)
    for kind in ("webhook", "slack", "teams", "pagerduty"):
        sent(channel(kind, http.url), again)
    sent(mail_channel(mail.port), again)

    hook, slack, teams, duty = (one.json for one in http.received)
    assert hook["repeat"] is True
    assert "[repeat] HIGH" in slack["text"]
    card = teams["attachments"][0]["content"]
    assert card["body"][0]["text"].startswith("[repeat] HIGH")
    assert duty["payload"]["summary"].startswith("[repeat] HIGH")
    assert duty["payload"]["custom_details"]["Repeat"] is True
    assert mail.mails[0]["X-Execmon-Repeat"] == "true"
    assert mail.mails[0]["Message-ID"] == f"<{KEY}@execmon.invalid>"
    assert set(http.keys) == {KEY}


@pytest.mark.parametrize(
    ("answer", "end", "words"),
    [
        (Answer(202), End.DELIVERED, "answered 202"),
        (Answer(302), End.REFUSED, "answered 302: ok"),
        (Answer(404, b""), End.REFUSED, "answered 404"),
        (Answer(429), End.LATER, "answered 429: ok"),
        (Answer(503), End.LATER, "answered 503: ok"),
        (Answer(cut=True), End.UNCONFIRMED, "no answer came"),
        (Answer(hang=True), End.UNCONFIRMED, "no answer came: timed out"),
    ],
)
def test_every_answer_has_a_meaning(http, answer, end, words):
    http.answers = [answer]

    found = sent(channel("webhook", http.url, timeout_s=0.3))

    assert found.end is end
    assert found.words.startswith(words)


@pytest.mark.parametrize(
    ("text", "after_s"),
    [("7", 7.0), ("99999", 600.0), ("soon", None), ("Mon, 21 Sep 2020 13:33:20 GMT", 0.0)],
)
def test_how_long_to_wait_is_read_in_seconds_or_as_a_date(http, text, after_s):
    http.answers = [Answer(429, headers={"Retry-After": text})]

    assert sent(channel("slack", http.url)).after_s == after_s


def test_nobody_there_is_no_doubt_about_what_arrived(http, mail):
    http.close()
    mail.close()

    for told in (channel("slack", http.url), mail_channel(mail.port)):
        found = sent(told)
        assert found.end is End.LATER
        assert found.words.startswith("cannot be reached: ")


def test_a_mail_has_a_subject_a_text_and_an_id_of_its_own(mail):
    found = sent(mail_channel(mail.port, user="u", password="p"))

    [one] = mail.mails
    assert found == type(found)(End.DELIVERED, "the server took it")
    assert str(make_header(decode_header(one["Subject"]))) == page().subject
    assert one["To"] == "a@example.com, b@example.com"
    assert one["Date"] == "Mon, 21 Sep 2026 13:33:20 +0000"
    assert one["Message-ID"] == f"<{KEY}@execmon.invalid>"
    text = one.get_payload(decode=True).decode().replace("\r\n", "\n")
    assert text.rstrip() == text_of(page())
    assert mail.logins


@pytest.mark.parametrize(
    ("refuses", "end", "words"),
    [
        ({"MAIL": "550 not you"}, End.REFUSED, "does not take the sender: 550 not you"),
        ({"MAIL": "451 later"}, End.LATER, "does not take the sender: 451 later"),
        ({"MAIL": "cut"}, End.LATER, "broke off before the mail was sent"),
        ({"RCPT": "550 who"}, End.REFUSED, "takes none of the recipients: 550 who"),
        ({"RCPT TO:<a@": "550 who"}, End.DELIVERED, "took it, but not for a@example.com"),
        ({"DATA": "452 full"}, End.LATER, "does not take the mail: 452 full"),
        ({"DATA": "cut"}, End.UNCONFIRMED, "no answer to the mail came"),
        ({"END": "554 spam"}, End.REFUSED, "does not take the mail: 554 spam"),
        ({"END": "cut"}, End.UNCONFIRMED, "no answer to the mail came"),
        ({"EHLO": "cut"}, End.LATER, "cannot be reached"),
    ],
)
def test_a_mail_server_s_answers_have_meanings_too(mail, refuses, end, words):
    mail.refuses = refuses

    found = sent(mail_channel(mail.port))

    assert found.end is end
    assert words in found.words


@pytest.mark.parametrize(
    ("refuses", "more", "end", "words"),
    [
        ({}, {"security": "starttls"}, End.REFUSED, "the server does not offer what is set"),
        ({"AUTH": "535 wrong"}, {"user": "u"}, End.REFUSED, "the password is not taken: 535"),
        ({"AUTH": "454 later"}, {"user": "u"}, End.LATER, "the password is not taken: 454"),
        ({}, {"security": "tls"}, End.LATER, "cannot be reached"),
    ],
)
def test_a_mail_server_that_does_not_let_us_in_says_so(mail, refuses, more, end, words):
    mail.refuses = refuses

    found = sent(mail_channel(mail.port, **more))

    assert found.end is end
    assert found.words.startswith(words)


def test_a_mail_server_that_is_full_is_tried_again():
    class Full(MailReceiver):
        def _talk(self, peer):
            peer.wfile.write(b"421 too busy\r\n")

    with Full() as full:
        found = sent(mail_channel(full.port))

    assert found.end is End.LATER
    assert found.words == "does not let us in: 421 too busy"


def test_a_channel_is_tried_without_an_alert(http):
    notify = notify_of({"link": "https://x.example",
                        "channels": {"desk": {"kind": "slack", "url": http.url}}})  # fmt: skip

    assert send_test(notify, "desk").words == "answered 200"
    assert "Test of channel desk: nothing is wrong" in http.received[0].json["text"]
    with pytest.raises(ConfigurationError, match="no channel is called 'des'; there are desk"):
        send_test(notify, "des")


def test_a_strange_address_is_refused_and_not_tried_again():
    with HttpReceiver() as http:
        assert sent(channel("slack", f"http://127.0.0.1:{http.port}x/")).end is End.REFUSED
