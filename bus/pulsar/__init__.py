"""The bus on Apache Pulsar: a partitioned topic each, positions are the ids of messages."""
