"""Measure the recommender on public data and write docs/recommender.md.

Usage: python -m bench.recommend [--quick]

Data are looked for in ../shared/data (Gowalla in the LightGCN split) and in the
shop example (Online Retail); what is missing is said, never made up. Times are
of one core: processor seconds, because the machine may be busy.
"""

import argparse
import asyncio
import datetime
import importlib
import importlib.util
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy import sparse

from bench.machine import on_one_core
from bench.picking import measure
from chatpush.recommend.analysis import labelling
from chatpush.recommend.analysis.analysis import accuracy
from chatpush.recommend.rankers.collaborative import Collaborative
from chatpush.recommend.training.choosing import Choice, choose, quality
from chatpush.recommend.training.evaluation import evaluate, popularity
from chatpush.recommend.training.footprints import Floats, History
from chatpush.recommend.training.learned import learn
from tests.recommend.responders import simulate
from tests.recommend.test_evaluation import retail_prints

ROOT = Path(__file__).parent.parent
GOWALLA = ROOT.parent / "shared" / "data" / "gowalla"
PAGE = ROOT / "docs" / "recommender.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
Matrix = sparse.csr_matrix[np.float32]
ALS = {"factors": 256, "alpha": 20.0, "regularization": 20.0, "iterations": 8}
PUBLISHED = (
    ("LightGCN", ".1830", ".1554"), ("UltraGCN", ".1862", ".1580"), ("SimpleX", ".1872", ".1557"),
    ("GF-CF", ".1849", ".1518"), ("EASE", ".1765", ".1467"), ("Mult-VAE", ".1641", ".1335"),
    ("MF-BPR", ".1627", ".1378"), ("ItemCF", ".1570", ".1214"), ("BSPM-EM", ".1920", ".1597"),
)  # fmt: skip
"""Recall@20 and NDCG@20 on this split, by the papers' authors and the BARS benchmark."""


def load(name: str) -> Matrix:
    """Return a Gowalla matrix."""
    return sparse.csr_matrix(sparse.load_npz(GOWALLA / f"gowalla_{name}.npz"), dtype=np.float32)


def judged(scores: Callable[[Matrix], Floats], known: Matrix, later: Matrix) -> tuple[float, float]:
    """Return recall and NDCG at 20 over all users, what they have left out."""
    users, hits = np.flatnonzero(np.diff(later.indptr)), []
    for start in range(0, users.size, 140):
        some = users[start : start + 140]
        rows = known[some]
        found = scores(rows)
        found[np.repeat(np.arange(some.size), np.diff(rows.indptr)), rows.indices] = -np.inf
        best = np.argpartition(found, -20, axis=1)[:, -20:]
        order = np.argsort(-np.take_along_axis(found, best, 1), axis=1)
        hits.append(np.take_along_axis(later[some].toarray() > 0, np.take_along_axis(best, order, 1), 1))
    return quality(np.concatenate(hits), np.diff(later.indptr)[users])


def peak_mb() -> int:
    """Return the process's peak memory."""
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def gowalla(tell: Callable[[str], None]) -> list[tuple[str, ...]]:
    """Return rows (what, recall, NDCG, remark)."""
    known, later = load("train"), load("test")
    names = tuple(str(n) for n in range(known.shape[1]))
    tell("Gowalla: choosing")
    began = time.process_time()
    choice = choose(known, tell=tell)
    chosen = time.process_time() - began
    tell(f"Gowalla: fitting {choice.settings.method}")
    model = learn(known, names, choice).model(known, names)  # type: ignore[arg-type]
    fitted = time.process_time() - began - chosen
    peak = peak_mb()
    cold = time.process_time()
    learn(known, names, Choice(choice.settings, 0.0, 0.0, 0))  # type: ignore[arg-type]
    cold = time.process_time() - cold
    tell("Gowalla: judging")
    recall, ndcg = judged(model.scores_many, known, later)
    settings = ", ".join(
        f"{name} {value}" for name, value in choice.settings.as_dict().items() if value and name != "method"
    )
    times = f"fit {cold:.1f} s; choosing and fitting {chosen + fitted:.1f} s; peak {peak} MB; {settings}"
    rows: list[tuple[str, ...]] = [
        (f"**chatpush** ({choice.settings.method})", f"**{recall:.4f}**", f"**{ndcg:.4f}**", times)
    ]
    rows.append(("popularity", *_figures(judged(popularity(known), known, later)), "same run"))
    rows.append(("implicit ALS", *_als(known, later)))
    rows.append(
        ("chatpush, 5 events of 3,000 unknown users", *_figures(folded(known, later, choice)), "no refit")
    )
    tell("Gowalla: picking")
    quick = asyncio.run(measure(known, learn(known, names, Choice(choice.settings, 0.0, 0.0, 0))))  # type: ignore[arg-type]
    whole = f"p50 {quick.one_p50_ms:.1f} ms, p95 {quick.one_p95_ms:.1f} ms"
    pauses = f"{quick.picking_pause_ms:.0f} ms, {quick.training_pause_ms:.0f} ms"
    rows += [
        ("one user's scores alone", "—", "—", f"p50 {serving(model, known):.1f} ms"),
        ("one user's picks with filters and reasons, from records on disk", "—", "—", whole),
        ("1,000 users' picks together", "—", "—", f"{quick.thousand_seconds:.1f} s"),
        ("a new event recorded and its user's next picks", "—", "—", f"{quick.new_event_ms:.1f} ms"),
        ("longest pause of the event loop: 1,000 users' picks, training a model", "—", "—", pauses),
    ]
    return rows


def folded(known: Matrix, later: Matrix, choice: Choice) -> tuple[float, float]:
    """Return the quality for users wholly unknown to the fit, five events of each folded in."""
    chance = np.random.default_rng(4)
    able = np.flatnonzero((np.diff(known.indptr) >= 5) & (np.diff(later.indptr) > 0))
    users = np.sort(chance.choice(able, 3000, replace=False))
    keep = np.ones(known.shape[0], dtype=np.float32)
    keep[users] = 0.0
    rest = sparse.csr_matrix(sparse.diags_array(keep) @ known).astype(np.float32)
    rest.eliminate_zeros()
    names = tuple(str(n) for n in range(known.shape[1]))
    model = learn(rest, names, Choice(choice.settings, 0.0, 0.0, 0)).model(rest, names)  # type: ignore[arg-type]
    few = sparse.lil_matrix(known.shape, dtype=np.float32)
    for user in users:
        few[user, chance.choice(known[user].indices, 5, replace=False)] = 1.0
    rows = few.tocsr()
    truth = sparse.csr_matrix(sparse.diags_array(1.0 - keep) @ later)
    truth.eliminate_zeros()
    # Only the five are known and left out: what else the user had stays in the way, as it would in life.
    return judged(model.scores_many, rows, truth)


def serving(model: Collaborative, known: Matrix) -> float:
    """Return the median milliseconds to score all items for one user."""
    took = []
    for user in np.random.default_rng(1).integers(0, known.shape[0], 200):
        row = known[int(user)]
        taste = History(row.indices.astype(np.int64), row.data, ("purchase",) * row.nnz)
        began = time.perf_counter()
        model.scores(taste)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def retail() -> list[tuple[str, ...]]:
    """Return rows (method, recall, NDCG, MAP, coverage) with their intervals."""
    found = evaluate(retail_prints())
    rows = []
    for method, figures in found.figures.items():
        cells = [f"{one.mean:.4f} ({one.low:.4f} to {one.high:.4f})" for one in figures.values()][:3]
        rows.append((method, *cells, f"{found.coverage[method]:.0%}"))
    for method, ahead in found.ahead.items():
        rows.append(
            (f"ahead of {method}", "", f"{ahead.mean:+.4f} ({ahead.low:+.4f} to {ahead.high:+.4f})", "", "")
        )
    return rows


def send_times() -> list[tuple[str, ...]]:
    """Return rows (setting, share of the oracle's extra opens, largest error of a probability)."""
    rows: list[tuple[str, ...]] = []
    for name, visits, later in (
        ("with a visit a week", 1.0, 0.5), ("no visits, half of what is missed is seen later", 0.0, 0.5),
        ("from openings alone", 0.0, 0.0),
    ):  # fmt: skip
        found = simulate(visits=visits, later=later)
        error = max(abs(said - true) for said, true in found.calibration())
        rows.append((name, f"{found.share:.1%}", f"{error:.3f}"))
    return rows


def analyses() -> list[tuple[str, ...]]:
    """Return rows (what, share right on lines left out)."""
    found = accuracy(labelling.SURE)
    rows = [
        (name, f"{getattr(found, name):.1%}") for name in ("category", "urgency", "sentiment", "language")
    ]
    return [*rows, ("of news, chance of marketing above the threshold", f"{found.overruled:.1%}")]


def _als(known: Matrix, later: Matrix) -> tuple[str, str, str]:
    if importlib.util.find_spec("implicit") is None:
        return "—", "—", "not measured here: `implicit` is not installed (0.1706 / 0.1430 elsewhere)"
    als = importlib.import_module("implicit.als")
    model = als.AlternatingLeastSquares(**ALS, random_state=1)
    began = time.process_time()
    model.fit(known, show_progress=False)
    took = time.process_time() - began
    users = np.asarray(model.user_factors), np.asarray(model.item_factors)
    place = iter(np.array_split(users[0][np.diff(later.indptr) > 0], range(140, known.shape[0], 140)))
    figures = _figures(judged(lambda rows: next(place)[: rows.shape[0]] @ users[1].T, known, later))
    return *figures, f"same run; fit {took:.1f} s; {ALS}"


def _figures(found: tuple[float, float]) -> tuple[str, str]:
    return f"{found[0]:.4f}", f"{found[1]:.4f}"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return a Markdown table."""
    return [
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="bench.recommend", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="print only, and leave the page alone")
    quick = parser.parse_args().quick
    on_one_core("bench.recommend")
    console = Console()
    when = datetime.datetime.now(datetime.UTC).date()
    lines = [
        f"Measured {when}: Python {platform.python_version()}, numpy {np.__version__}; processor seconds.",
        "",
    ]
    if (GOWALLA / "gowalla_train.npz").exists():
        lines += ["### Gowalla, Recall@20 and NDCG@20 on the LightGCN split", ""]
        rows = gowalla(lambda text: console.print(f"[dim]{text}[/]"))
        rows += [(name, recall, ndcg, "published") for name, recall, ndcg in PUBLISHED]
        lines += table(("what", "Recall@20", "NDCG@20", "remark"), rows)
    else:
        lines += [f"Gowalla was not measured: {GOWALLA} is not there.", ""]
    lines += ["### Online Retail, temporal split, 95 % intervals over users", ""]
    lines += table(("method", "Recall@20", "NDCG@20", "MAP@20", "coverage"), retail())
    lines += [
        "### Send times: 300 simulated readers, a message a day for eight weeks, hours chosen by the model",
        "",
    ]
    lines += table(
        ("what it hears", "of an oracle's extra opens", "largest error of a probability"), send_times()
    )
    lines += ["### Content analysis: the labelled English and Chinese lines, a fifth left out at a time", ""]
    lines += table(("what", "right"), analyses())
    console.print("\n".join(lines), markup=False)
    if not quick:
        text = PAGE.read_text(encoding="utf-8")
        head, _, rest = text.partition(BEGIN)
        _, _, tail = rest.partition(END)
        PAGE.write_text(f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
