"""What every Store keeps, whoever it is."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.errors import StoreError
from cityloop.kernel.messages import Allowed, Decision, Proposal, Receipt, ReceiptStatus, Refused
from cityloop.kernel.ports import Store
from cityloop.storage.memory import MemoryStore
from cityloop.storage.run_folder import RunFolder, RunReader, claim_folder
from cityloop.storage.run_toml import RunToml

RUN = RunToml(
    city="toy",
    case="toy",
    control="x",
    sensing="loops",
    seed=0,
    scale=1,
    begin_s=0,
    end_s=10,
    leased=True,
    own_plan="shipped",
    case_digest="",
    layout_digest="",
    versions={},
)


class InMemory:
    """The memory store, and how to read it."""

    def __init__(self, folder):
        self.store = MemoryStore()

    def kept(self):
        return self.store.decisions, self.store.receipts, self.store.readings


class InFolder:
    """The run folder, and how to read it."""

    durable = False

    def __init__(self, folder):
        claim_folder(folder)
        self.store = RunFolder(folder, RUN, toy_layout(ToyParams()), durable=self.durable)

    def kept(self):
        reader = RunReader(self.store.path)
        return list(reader.decisions()), list(reader.receipts()), list(reader.readings())


class InDurableFolder(InFolder):
    durable = True


@pytest.fixture(params=[InMemory, InFolder, InDurableFolder])
def subject(request, tmp_path):
    """A store of each kind, with its reader."""
    made = request.param(tmp_path / "run")
    yield made
    made.store.close()


def decision(number, verdict=None):
    action = ShowStage(number % 2)
    return Decision(
        decided_at_ms=1_000 * number,
        domain="signals",
        policy="x",
        proposal=Proposal(target=number, action=action, reason=1, cost=float(number), gain=0.0),
        verdict=verdict or Allowed(action),
        sequence=number,
        not_after_ms=9_000,
    )


def receipt(number):
    return Receipt(domain="signals", target=number, sequence=number, status=ReceiptStatus.PENDING, at_ms=1, detail="x")


def readings(*values):
    n = len(values)
    instants = np.arange(n, dtype=np.int64)
    return Batch(np.zeros(n, np.int32), instants, instants + 5, np.array(values, np.float64), np.ones(n, np.uint8))


def test_it_is_a_store(subject):
    """It has the port's verbs."""
    assert isinstance(subject.store, Store)


def test_decisions_are_kept_in_order(subject):
    """What was journalled is read back whole and in order, refusals included."""
    made = [decision(1), decision(2, Refused(rule=4)), decision(3)]
    subject.store.append_decisions(made[:2])
    subject.store.append_decisions(())
    subject.store.append_decisions(made[2:])
    subject.store.close()
    assert subject.kept()[0] == made


def test_decisions_are_kept_when_the_call_returns(subject):
    """Nothing more is needed for a decision to be found again: no close, no flush."""
    subject.store.append_decisions([decision(1)])
    assert subject.kept()[0] == [decision(1)]


def test_readings_are_kept_step_by_step(subject):
    """Each step has its readings back; a silent step is kept as silent."""
    subject.store.append_readings(1_000, readings(1.0, float("nan")))
    subject.store.append_readings(2_000, empty_batch())
    subject.store.append_readings(3_000, readings(3.0))
    subject.store.close()
    kept = subject.kept()[2]
    assert [(now_ms, len(batch)) for now_ms, batch in kept] == [(1_000, 2), (2_000, 0), (3_000, 1)]
    assert kept[0][1].received_at_ms.tolist() == [5, 6]
    assert kept[2][1].value.tolist() == [3.0]


def test_receipts_are_kept_under_the_step_before(subject):
    """A receipt belongs to the step whose readings were kept last."""
    subject.store.append_readings(1_000, empty_batch())
    subject.store.append_receipts([receipt(1), receipt(2)])
    subject.store.append_receipts([])
    subject.store.append_readings(2_000, empty_batch())
    subject.store.append_receipts([receipt(3)])
    subject.store.close()
    assert subject.kept()[1] == [(1_000, receipt(1)), (1_000, receipt(2)), (2_000, receipt(3))]


def test_close_twice_is_safe(subject):
    """Closing is idempotent."""
    subject.store.close()
    subject.store.close()


def test_a_closed_store_refuses(subject):
    """What cannot be kept is refused, whatever it is."""
    subject.store.close()
    for append in (
        lambda: subject.store.append_decisions([decision(1)]),
        lambda: subject.store.append_readings(1, empty_batch()),
        lambda: subject.store.append_receipts([receipt(1)]),
    ):
        with pytest.raises(StoreError):
            append()


def test_equal_journals_have_equal_digests(subject):
    """The digest depends on the decisions alone, not on how they were grouped."""
    other = MemoryStore()
    other.append_decisions([decision(1), decision(2)])
    subject.store.append_decisions([decision(1)])
    subject.store.append_receipts([receipt(1)])
    subject.store.append_decisions([decision(2)])
    assert subject.store.digest.hexdigest() == other.digest.hexdigest()
