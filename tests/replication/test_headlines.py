"""What stands out on the page of published systems: each finding is there if its verdict is."""

from __future__ import annotations

import re

import numpy as np

from bench.replication import card_page
from bench.replication.headlines import MOST, headlines
from bench.replication.systems import Published, ReplicationSuite
from bench.reporting.source import Source
from bench.stats.claims import ClaimOutcome

LEVELS = np.linspace(0.9, 1.1, 20)


def test_a_number_that_cannot_be_and_a_claim_that_does_not_hold_stand_out(made):
    claims = made.claim("falling-loss").claims
    published = Published(train_loss={1: 1.0, 2: 2.0}, parameters=7, claims=claims)
    rows = made.Rows().cell("S1", "rnn as published", curve={1: 1.0, 2: 0.5}, parameters=9)
    first, second = headlines([made.one([made.system(published=published)], rows)])
    assert first.text.endswith("7, cannot be: its code gives 9")
    assert (first.verdict, first.anchor, first.title) == ("impossible", "system-s1", "made up")
    assert second.text == "“said”: 1.0 at epoch 1, 2.0 at epoch 2"
    assert second.verdict == "does not hold"


def test_what_holds_does_not_stand_out(made):
    published = Published(test_rmse=1.0, parameters=9, claims=made.claim("beats-persistence").claims)
    rows = made.Rows().cell("S1", "rnn as published", parameters=9)
    better = {"S1-rnn as published": ClaimOutcome.HOLDS}
    assert headlines([made.one([made.system(published=published)], rows, better)]) == ()


def test_a_variant_of_the_data_that_gives_the_number_stands_out(made):
    system = made.system(published=Published(test_rmse=1.0))
    entry = system.datasets[0]
    both = (entry.model_copy(update={"id": "one"}), entry.model_copy(update={"id": "two"}))
    system = system.model_copy(update={"datasets": both})
    rows = made.Rows().cell("S1 one", "rnn as published", rmse=1e-3 * LEVELS).cell("S1 two", "rnn as published")
    (found,) = headlines([made.one([system], rows)])
    assert found.text.startswith("The printed test RMSE, 1.0, is not from the printed code, which gives 0.00100")
    assert "; S1 two gives 1.002 [" in found.text
    assert found.verdict == "not from this code"


def test_each_finding_leads_to_its_card_and_no_more_than_five_do(made):
    systems = [made.system(f"S{place}", Published(parameters=7)) for place in range(8)]
    rows = made.Rows()
    for system in systems:
        rows.cell(system.id, "rnn as published", parameters=9)
    source = Source(rows.tables(), "results/made", ReplicationSuite(name="made", systems=tuple(systems)))
    found = card_page.render(source, names=("a.html", "b.md"))
    for text, link in ((found["b.md"], r"\]\(#(system-s\d)\)"), (found["a.html"], r'; <a href="#(system-s\d)"')):
        leads = re.findall(link, text)
        assert leads == [f"system-s{place}" for place in range(MOST)]
        assert all(f'id="{anchor}"' in text for anchor in leads)


def test_every_table_of_the_page_folds(made):
    rows = made.Rows().cell("S1", "rnn as published")
    source = Source(rows.tables(), "results/made", ReplicationSuite(name="made", systems=(made.system(),)))
    text = card_page.render(source, names=("a.html", "b.md"))["b.md"]
    assert "| rnn |" in text
    outside = re.sub(r"<details.*?</details>", "", text, flags=re.DOTALL)
    assert not re.search(r"^\|", outside, flags=re.MULTILINE)
