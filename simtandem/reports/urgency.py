"""What in the results a person should look at, and in which order."""

import polars as pl

from schemas.statuses import Verdict
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.ownership import beside_states
from simtandem.domain.split_pairs import SPLIT, split_as

# What costs money comes first, then what needs a person, then what was not sent.
URGENCY = (
    *SPLIT,
    Verdict.FAILED,
    Verdict.UNKNOWN,
    Verdict.CHANGED_BY_OTHERS,
    Verdict.SKIPPED,
    Verdict.REFUSED,
    Verdict.INVALID,
    Verdict.IN_SYNC,
)
_DEVICE = r"^(?:SIM|endpoint) [0-9]+: "
_RANKS = {str(finding): rank for rank, finding in enumerate(URGENCY)}


def examine(results: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """`results`, the most urgent rows first, with three columns more.

    A SIM that the list names by another id has that in place of its ICCID, which is its id then.
    `split` is one of `split_pairs.SPLIT` or "", `finding` the split or else the verdict, `attention` whether someone
    should look.
    """
    split = split_as("after", lifecycle).fill_null("")
    finding = pl.when(pl.col("split") != "").then("split").otherwise("verdict")
    examined = (
        results.with_columns(split.alias("split"), iccid=pl.coalesce(pl.format("listed as {}", "named_as"), "iccid"))
        .with_columns(finding.alias("finding"))
        .with_columns((pl.col("finding") != Verdict.IN_SYNC).alias("attention"))
        .sort(pl.col("finding").replace_strict(_RANKS, return_dtype=pl.Int64), "row")
    )
    return beside_states(examined)


def moves(results: pl.DataFrame) -> pl.DataFrame:
    """How many rows went from which state to which, and how many of them are in sync; the commonest first."""
    return (
        results.group_by("desired", "before", "after")
        .agg(pl.len().alias("rows"), (pl.col("verdict") == Verdict.IN_SYNC).sum().alias("in_sync"))
        .sort(["rows", "desired", "before", "after"], descending=[True, False, False, False])
    )


def explanations(examined: pl.DataFrame, verdict: Verdict, most: int = 3) -> list[tuple[str, int]]:
    """The commonest sentences that explain a verdict, each with how many rows it is in."""
    why = pl.when(pl.col("reason") != "").then("reason").otherwise("error").alias("why")
    told = examined.filter(pl.col("verdict") == verdict).select(why).filter(pl.col("why") != "")
    # What is said of many devices is said once; of a single one the sentence names it.
    counts = told.group_by(pl.col("why").str.replace(_DEVICE, "").alias("shared")).agg(pl.len(), pl.col("why").first())
    words = pl.when(pl.col("len") == 1).then("why").otherwise("shared").alias("words")
    top = counts.select(words, "len").sort(["len", "words"], descending=[True, False]).head(most)
    return [(str(sentence), int(count)) for sentence, count in top.iter_rows()]
