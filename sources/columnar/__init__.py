"""CSV and Parquet files whose columns are named like the members of the JSON events."""

from sources.columnar.csvfile import CsvReader
from sources.columnar.parquet import ParquetReader

__all__ = ["CsvReader", "ParquetReader"]
