"""Fits that go on from a file after any end."""

import errno
import os
import shutil
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from killed_case import EndedError, end_after, run_killed
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sknorm
from sknorm import MLPClassifier, MLPRegressor
from sknorm.exceptions import CheckpointError, ModelFileError
from sknorm.files import disk
from sknorm.training import full_batch
from sknorm.training.checkpoint import Checkpoint

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), RNG.normal(size=60)
LABELS = np.where(X[:, 0] > 0, "yes", "no")
SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (8,),
    "batch_size": 16,
    "max_iter": 6,
    "tol": 0.0,
    "random_state": 0,
    "checkpoint_every": 0,
}
FRAME = pd.DataFrame(X, columns=list("abc")).assign(d=LABELS)
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "plain": (X, Y, {}),
    "sgd": (X, Y, {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1}),
    "members": (X, Y, {"n_members": 3, "dropout": 0.3, "early_stopping": True}),
    "chosen members": (X, Y, {"n_members": 3, "member_space": "default", "early_stopping": True}),
    "sparse penalty": (X, Y, {"alpha": 0.05, "l1_ratio": 1.0, "learning_rate": "cosine"}),
    "averaged": (X, Y, {"swa_fraction": 0.5, "norm_statistics": "population"}),
    "lbfgs": (X, Y, {"solver": "lbfgs", "n_members": 2, "batch_size": "auto"}),
    "scores": (X, Y, {"scoring": "r2", "early_stopping": True}),
    "mixup": (X, Y, {"mixup_alpha": 0.2, "norm_statistics": "cumulative"}),
    "sparse table": (sparse.csr_matrix(X * (X > 0.5)), Y, {}),
    "raw table": (FRAME, Y, {"n_bins": 4, "scaling": "robust"}),
    "single precision": (X, Y, {"dtype": "float32"}),
}
each_case = pytest.mark.parametrize(("table", "y", "changed"), CASES.values(), ids=CASES)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def regressor(**changed: Any) -> MLPRegressor:
    return MLPRegressor(**{**SMALL, **changed}, preset="sklearn")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fit.ckpt"


@each_case
def test_fits_go_on_to_the_same_model(
    table: Any, y: Any, changed: dict, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = regressor(**changed).fit(table, y)
    for writings in (1, 2, 4):
        with monkeypatch.context() as patch, suppress(EndedError):
            end_after(patch, "write", writings)
            regressor(**changed, checkpoint=path).fit(table, y)
            assert writings == 4
    model = regressor(**changed, checkpoint=path).fit(table, y)
    np.testing.assert_array_equal(model.predict(table), whole.predict(table))
    assert model.n_iter_ == whole.n_iter_
    for key in ("loss", "learning_rate", "validation"):
        curves = [np.array(each.history_.get(key, [])) for each in (model, whole)]
        np.testing.assert_array_equal(*curves)


def test_epochs_are_not_repeated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end_after(monkeypatch, "write", 4)  # the first before any epoch
    with pytest.raises(EndedError):
        regressor(checkpoint=path).fit(X, Y)
    monkeypatch.undo()
    told: list[str] = []
    monkeypatch.setattr("builtins.print", lambda text: told.append(text))
    model = regressor(checkpoint=path, verbose=True).fit(X, Y)
    assert [line.split(",")[0] for line in told] == [f"Iteration {k}" for k in (4, 5, 6)]
    again = regressor(checkpoint=path, verbose=True).fit(X, Y)
    assert len(told) == 3
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_fits_without_a_seed_keep_theirs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end_after(monkeypatch, "write", 3)
    with pytest.raises(EndedError):
        regressor(checkpoint=path, random_state=None).fit(X, Y)
    monkeypatch.undo()
    model = regressor(checkpoint=path, random_state=None).fit(X, Y)
    assert model.random_state is None
    assert model.n_iter_ == 6
    others = [regressor(random_state=None).fit(X, Y) for _ in range(2)]
    assert (others[0].predict(X) != others[1].predict(X)).any()


def test_time_that_has_passed_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end_after(monkeypatch, "write", 3)
    with pytest.raises(EndedError):
        regressor(checkpoint=path, max_time=100.0).fit(X, Y)
    monkeypatch.undo()
    model = regressor(checkpoint=path, max_time=1e-9).fit(X, Y)
    assert model.timed_out_
    assert model.n_iter_ == 3  # one step, at least
    again = regressor(checkpoint=path, max_time=1e-9).fit(X, Y)
    assert again.timed_out_
    assert again.t_ == model.t_ < 3 * len(X)


class Clock:
    """Time of which each look takes a second."""

    now = 0.0

    def perf_counter(self) -> float:
        self.now += 1.0
        return self.now


def test_time_of_members_that_take_turns_adds_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two whose six iterations have taken 12 seconds, little is left of 12.5 for a third."""
    settings = {"solver": "lbfgs", "n_members": 3, "batch_size": "auto", "checkpoint": path}
    end_after(monkeypatch, "write", 3)
    monkeypatch.setattr(full_batch, "time", Clock())
    with pytest.raises(EndedError):
        regressor(**settings, max_time=1e6).fit(X, Y)
    monkeypatch.undo()
    monkeypatch.setattr(full_batch, "time", Clock())
    model = regressor(**settings, max_time=12.5).fit(X, Y)
    assert model.timed_out_
    assert np.isfinite(model.history_["loss"]).sum(axis=0).tolist() == [6, 6, 1]


def test_files_are_written_once_in_a_while(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    write = disk.write
    monkeypatch.setattr(disk, "write", lambda *args: (written.append(args[0]), write(*args)))
    regressor(checkpoint=path, checkpoint_every=1e6).fit(X, Y)
    assert len(written) == 2  # at the start, and at the end


def test_a_fit_on_the_way_of_a_pipeline_goes_on(path: Path) -> None:
    models = [
        make_pipeline(StandardScaler(), regressor(checkpoint=path)).fit(X, Y) for _ in range(2)
    ]
    np.testing.assert_array_equal(*(each.predict(X) for each in models))


OTHERS: dict[str, tuple[dict[str, Any], Any, Any, str]] = {
    "alpha": ({"alpha": 0.5}, X, Y, "other parameters"),
    "epochs": ({"max_iter": 7}, X, Y, "other parameters"),
    "layers": ({"hidden_layer_sizes": (4,)}, X, Y, "other parameters and other random numbers"),
    "seed": ({"random_state": 1}, X, Y, "other random numbers"),
    "targets": ({}, X, Y + np.eye(60)[0], "other data"),
    "a value": ({}, X + 1e-9 * np.eye(60, 3), Y, "other data"),
}


@pytest.mark.parametrize(("changed", "table", "y", "text"), OTHERS.values(), ids=OTHERS)
def test_files_of_other_fits_are_refused(
    changed: dict, table: Any, y: Any, text: str, path: Path
) -> None:
    regressor(checkpoint=path).fit(X, Y)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=rf"fit\.ckpt is a checkpoint of another fit.*{text}"):
        regressor(**changed, checkpoint=path).fit(table, y)
    assert path.read_bytes() == before
    how = {**changed, "checkpoint": path, "stale_checkpoint": "set_aside"}
    with pytest.warns(UserWarning, match=r"It is now .*fit\.ckpt\.stale, and training begins anew"):
        model = regressor(**how).fit(table, y)
    assert Path(f"{path}.stale").read_bytes() == before
    expected = regressor(**changed).fit(table, y).predict(X)
    np.testing.assert_array_equal(model.predict(X), expected)


HELD_OUT = {"array": X, "sparse table": sparse.csr_matrix(X * (X > 0.5)), "raw table": FRAME}


@pytest.mark.parametrize("table", HELD_OUT.values(), ids=HELD_OUT)
@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
def test_files_of_fits_with_other_held_out_rows_are_refused(
    scoring: str, table: Any, path: Path
) -> None:
    settings = {**SMALL, "preset": "sklearn", "scoring": scoring, "max_iter": 2}
    given = {"X_val": table[40:], "y_val": LABELS[40:], "sample_weight_val": np.ones(20)}
    MLPClassifier(**settings, checkpoint=path).fit(table[:40], LABELS[:40], **given)
    MLPClassifier(**settings, checkpoint=path).fit(table[:40], LABELS[:40], **given)
    others = {
        "X_val": table[20:40],
        "y_val": LABELS[39:19:-1],
        "sample_weight_val": 1.0 + Y[:20] ** 2,
    }
    for name, values in others.items():
        with pytest.raises(CheckpointError, match="other data"):
            MLPClassifier(**settings, checkpoint=path).fit(
                table[:40], LABELS[:40], **{**given, name: values}
            )


def test_several_files_are_set_aside(path: Path) -> None:
    for number in range(3):
        path.write_bytes(b"garbage")
        with pytest.warns(UserWarning, match="begins anew"):
            regressor(checkpoint=path, stale_checkpoint="set_aside").fit(X, Y)
        assert len([*path.parent.glob("*.stale*")]) == number + 1


def test_files_of_other_versions_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sknorm.training.checkpoint.__version__", "0.0.7")
        regressor(checkpoint=path).fit(X, Y)
    with pytest.raises(CheckpointError, match="other version"):
        regressor(checkpoint=path).fit(X, Y)


def test_damaged_files_are_refused(path: Path) -> None:
    regressor(checkpoint=path, hidden_layer_sizes=(1,), batch_size="auto").fit(X[:10, :1], Y[:10])
    data = path.read_bytes()
    bad = [data[:size] for size in range(0, len(data), 199)]
    for place in range(0, len(data), 97):
        bad.append(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    for each in bad:
        path.write_bytes(each)
        with pytest.raises(CheckpointError, match=r"fit\.ckpt .* Delete the file"):
            Checkpoint(path, 0.0)


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"PK\x03\x04", b"text " * 20], ids=repr)
def test_foreign_files_are_refused(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"fit\.ckpt .* Delete the file, name another one"):
        regressor(checkpoint=path).fit(X, Y)
    assert path.read_bytes() == content


def test_models_are_no_checkpoints_and_the_other_way_round(path: Path) -> None:
    model = regressor(checkpoint=path).fit(X, Y)
    with pytest.raises(ModelFileError, match=r"holds a checkpoint .* not a model"):
        sknorm.load(path)
    sknorm.save(model, path)
    with pytest.raises(CheckpointError, match=r"holds a model .* not a checkpoint"):
        regressor(checkpoint=path).fit(X, Y)


def test_places_are_checked_before_training(tmp_path: Path) -> None:
    for bad, error in [(tmp_path, IsADirectoryError), (tmp_path / "no" / "a", FileNotFoundError)]:
        with pytest.raises(error, match="checkpoint"):
            regressor(checkpoint=bad, max_iter=10**9).fit(X, Y)


def test_a_full_disk_costs_a_warning(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), args[0])

    monkeypatch.setattr(disk, "write", full)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = regressor(checkpoint=path).fit(X, Y)
    texts = [str(each.message) for each in caught if each.category is RuntimeWarning]
    assert len(texts) == 1
    assert "goes on without a new checkpoint" in texts[0]
    assert "No space left" in texts[0]
    np.testing.assert_array_equal(model.predict(X), regressor().fit(X, Y).predict(X))


def test_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    regressor(checkpoint="~/fit.ckpt").fit(X, Y)
    assert (tmp_path / "fit.ckpt").exists()


def test_a_fit_of_parts_writes_nothing(path: Path) -> None:
    regressor(checkpoint=path).partial_fit(X, Y)
    assert not path.exists()


def test_a_warm_start_goes_on_from_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = regressor(warm_start=True).fit(X, Y)
    whole = regressor(warm_start=True).fit(X, Y).fit(X, Y)
    first.set_params(checkpoint=path)
    with monkeypatch.context() as patch:
        end_after(patch, "write", 3)
        with pytest.raises(EndedError):
            first.fit(X, Y)
    np.testing.assert_array_equal(first.fit(X, Y).predict(X), whole.predict(X))
    assert len(first.loss_curve_) == 12


KILLED = """
import sys, warnings
import numpy as np
from killed_case import kill_until_done
from sknorm import MLPClassifier
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))
y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
settings = dict(hidden_layer_sizes=(16, 16), batch_size=8, max_iter=40, dropout=0.2, n_members=2,
                early_stopping=True, n_iter_no_change=40, random_state=0, preset="sklearn")
whole = MLPClassifier(**settings).fit(X, y)

def fit():
    model = MLPClassifier(**settings, checkpoint=sys.argv[1], checkpoint_every=0).fit(X, y)
    np.savez(sys.argv[2], probabilities=model.predict_proba(X), loss=model.loss_curve_)

killed = kill_until_done(fit, 20, float(sys.argv[3]), 0)
found = np.load(sys.argv[2])
np.testing.assert_array_equal(found["probabilities"], whole.predict_proba(X))
np.testing.assert_array_equal(found["loss"], whole.loss_curve_)
print("killed", killed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no SIGKILL")
def test_a_fit_that_is_killed_goes_on(tmp_path: Path) -> None:
    assert run_killed(KILLED, tmp_path, "fit.ckpt", 0.1) == {"fit.ckpt", "found.npz"}


def test_classifiers_go_on_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**SMALL, "preset": "sklearn", "class_weight": "balanced"}
    whole = MLPClassifier(**settings).fit(FRAME, LABELS)
    end_after(monkeypatch, "write", 3)
    with pytest.raises(EndedError):
        MLPClassifier(**settings, checkpoint=path).fit(FRAME, LABELS)
    monkeypatch.undo()
    copied = path.with_name("moved.ckpt")
    shutil.copy(path, copied)
    model = MLPClassifier(**settings, checkpoint=str(copied)).fit(FRAME, LABELS)
    np.testing.assert_array_equal(model.predict_proba(FRAME), whole.predict_proba(FRAME))
