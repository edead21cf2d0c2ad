"""Notes in bulk on a Spark cluster.

spark-submit scripts/spark_annotate.py PIPELINE notes.parquet annotations.parquet --patient-field patient --partitions 200
"""

import sys
from enum import Enum
from typing import Optional

import typer

try:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F
except ImportError:
    sys.exit("Spark is needed: pip install 'spacy-clinicalbert[spark]', and Java 17 or later.")

from spacy_clinicalbert.deployment.spark import REASON, annotate_dataframe

# Locals hold notes, and an error must not show them.
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
STOPPED, SOME_FAILED = 1, 3  # exit codes, those of `python -m spacy clinicalbert annotate`


class From(str, Enum):
    parquet = "parquet"
    json = "json"
    orc = "orc"


@app.command()
def main(
    pipeline: str = typer.Argument(..., help="A saved or installed pipeline, by a name that holds on every executor"),
    source: str = typer.Argument(..., metavar="INPUT", help="What Spark can read: a path or URL"),
    output: str = typer.Argument(..., help="A folder of Parquet files, which must not be there"),
    from_: From = typer.Option(From.parquet, "--from", help="The input's format"),
    text_field: str = typer.Option("text", help="The column of a note's text"),
    id_field: str = typer.Option("id", help="Of its id, a string or a whole number"),
    patient_field: Optional[str] = typer.Option(
        None, help="Of its patient's id: the notes of a patient then meet in one partition, beside each other"
    ),
    partitions: Optional[int] = typer.Option(None, min=1, help="How many; by default as many as Spark makes of INPUT"),
    max_length: Optional[int] = typer.Option(None, min=1, help="Take notes of so many characters"),
    part_size: int = typer.Option(1000, min=1, help="Notes that are annotated together"),
) -> None:
    """Annotate the notes of INPUT. Exits with 0 if all were annotated, with 3 if some failed: `reason` says why."""
    spark = SparkSession.builder.appName("spacy-clinicalbert").getOrCreate()
    try:
        notes = spark.read.format(from_.value).load(source)
        if patient_field is not None:
            # What a patient's notes repeat is encoded once where they are annotated together. Those of nobody would all be in one partition.
            by = F.coalesce(*(F.col(f"`{name}`").cast("string") for name in (patient_field, id_field)))
            notes = notes.repartition(partitions, by) if partitions else notes.repartition(by)
            notes = notes.sortWithinPartitions(by)
        elif partitions is not None:
            notes = notes.repartition(partitions)
        annotated = annotate_dataframe(
            notes,
            pipeline,
            text_field,
            id_field,
            patient_col=patient_field,
            max_length=max_length,
            part_size=part_size,
        )
        annotated.write.parquet(output)
        # Of what was written: `annotated` would be computed again.
        ((total, failed),) = spark.read.parquet(output).agg(F.count("*"), F.count(REASON)).collect()
    except (PySparkException, ValueError, ImportError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(STOPPED) from None
    print(f"{total} notes, {total - failed} annotated, {failed} failed.")
    sys.exit(SOME_FAILED if failed else 0)


if __name__ == "__main__":
    app()
