"""The coverage page of the documentation, from what was tried."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.coverage.cells import COLUMNS, NOT, YES, picked
from benchmarks.coverage.zoo import Entry, zoo

PAGE = Path("docs/coverage.md")
HEAD = """# Which architectures work

{tried} of {all} architectures{so_far}. Each is randomly initialised, its
batch norms calibrated, and given small random pictures in a process of its own (torch {torch}, torchvision
{torchvision}, timm {timm}, transformers {transformers}, keras {keras}; Python {python}, CPU). A cell is a tick where it
holds, a dash where it does not apply, and a number that leads to the reason where it fails.

- **loads**: the model is built and runs in a `Scope`. **last**: `"last"` is the layer that a person would pick, or
  hands on its very values. For {beforehand} of the {tried} a person's pick was written down before ours was seen, and
  {agree} of those agree; for the others after, which proves less (`benchmarks/coverage/last.txt`).
- **grad_cam**: the map of that layer equals that of a hand-written hook to a thousandth of its largest value.
- **ablation_cam**: finite for all channels. **tail**: what follows the layer, run alone, equals the whole model with
  the layer replaced (by fx, export or replacing).
- **guided_backprop**, **lrp**: finite; LRP not zero. **maps**, **draw** (4 steps), **survey** (8 pictures) run.
- **unchanged**: weights, flags, gradients and hooks are as they were.

Rows are from several days, so not all were tried with the newest code. torchvision's MViTs are built for 8 frames of
64 × 64: those for 16 of 224 × 224 take longer than the five minutes of one architecture. Where "last" is not what a
person picked, both may serve: EfficientViT ends with a convolution before its pooling, as EfficientNet does, and
CrossViT has two branches, of which a person took the blocks of one, whose patches our layer normalises for the other.
Of one-stage detectors the table asks for one layer, the coarsest that their heads read, where `layer="last"` adds up
all of their levels. Detectors are built with a threshold of 0, as an untrained one finds nothing above its own: the
hand-written map would be zero, where ours asks the model for less until it finds something.
Of SSD300 four columns were tried so far.
{untried}"""
SO_FAR = " so far: `make coverage-table` goes on where it stopped"


def write_page(results: Mapping[Entry, Mapping[str, str]]) -> None:
    """Writes `docs/coverage.md`."""
    picks = picked()
    before = [cells for entry, cells in results.items() if picks[entry.key].beforehand and "last" in cells]
    packages = ("torch", "torchvision", "timm", "transformers", "keras")
    text = [
        HEAD.format(
            tried=len(results),
            all=len(zoo()),
            untried=_untried(results),
            so_far=SO_FAR if len(results) < len(zoo()) else "",
            beforehand=len(before),
            agree=sum(cells["last"].startswith(YES) for cells in before),
            python=platform.python_version(),
            **{name: version(name) for name in packages},
        )
    ]
    text += [_summary(results), ""]
    reasons: list[str] = []
    for group in dict.fromkeys(entry.group for entry in results):
        text += [f"## {group}", "", f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
        for entry, cells in results.items():
            if entry.group == group:
                row = [_cell(entry, column, cells.get(column, "was not reached"), reasons) for column in COLUMNS]
                text.append(f"| {entry.name} | {' | '.join(row)} |")
        text.append("")
    text += ["## Why", "", *(f"{number}. {reason}" for number, reason in enumerate(reasons, 1))]
    PAGE.write_text("\n".join(text) + "\n", encoding="utf-8")


def _untried(results: Mapping[Entry, Mapping[str, str]]) -> str:
    """Which architectures of the zoo have no row."""
    tried = {entry.key for entry in results}
    left = [entry.name for entry in zoo() if entry.key not in tried]
    return f"\nNot tried yet: {', '.join(left)}.\n" if left else ""


def _cell(entry: Entry, column: str, cell: str, reasons: list[str]) -> str:
    if cell.startswith(YES):
        way = cell.removeprefix(YES).strip(" ()") if column == "tail" else ""
        return f"✓ {way}".strip()
    if cell == NOT:
        return NOT
    reasons.append(f"**{entry.name}, {column}**: {cell}".replace("|", "\\|"))
    return f"[{len(reasons)}](#why)"


def _summary(results: Mapping[Entry, Mapping[str, str]]) -> str:
    lines = ["| | architectures | cells that apply | hold |", "|---|---|---|---|"]
    for group in [*dict.fromkeys(entry.group for entry in results), ""]:
        rows = [cells for entry, cells in results.items() if group in ("", entry.group)]
        cells = [cell for row in rows for column in COLUMNS if (cell := row.get(column, "was not reached")) != NOT]
        good = sum(cell.startswith(YES) for cell in cells)
        share = f"{good / len(cells):.1%}" if good < len(cells) else "all"
        lines.append(f"| {group or '**all**'} | {len(rows)} | {len(cells)} | {share} |")
    return "\n".join(lines)
