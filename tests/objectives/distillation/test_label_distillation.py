"""Methods that teach a classifier by a teacher's logits: references, limits, where gradients go, kinds of teachers."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import losses
from keras_ssl.objectives.distillation import taid_distiller
from keras_ssl.objectives.distillation.taid_distiller import InterpolationTime, interpolated_kl_loss
from keras_ssl.testing.tiny_model import cheap_views, tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, value

S, T = draws(6, 4), 2 * draws(6, 4, seed=1)
Y = np.array([0, -1, 3, 2, -1, 1], "int32")
LABELED = Y >= 0
IMAGES = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def cross_entropy(logits, labels, rows=LABELED):
    logits = np.asarray(logits, "float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return np.mean([-log_p[k, labels[k]] for k in np.flatnonzero(rows)])


def classifier_teacher(classes=4):
    layers = [keras.layers.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(classes)]
    return keras.Sequential(layers)


def outcome(model, step=None, **embeddings):
    z = {"features": draws(6, 4), "teacher": T, "y": Y, **embeddings}
    return engine.reduce(model, {k: keras.ops.convert_to_tensor(v) for k, v in z.items()}, step or Step.at(6))


def with_classifier(name, **options):
    """A tiny model whose teacher gives logits itself: no classifier of the teacher is trained."""
    options = {"teacher": classifier_teacher(), **options}
    arguments = {**keras_ssl.registry.find("objective", name).target.tiny, **options}
    return getattr(keras_ssl, name)(tiny_encoder(), views=cheap_views(), **arguments)


class TestKnowledgeDistillation:
    @pytest.mark.parametrize("loss", ["softened", "decoupled", "normalized"])
    def test_equals_its_parts(self, loss):
        model = with_classifier("KnowledgeDistillation", teacher_weight=0.7, temperature=2.0, loss=loss)
        found = outcome(model, logits=S)
        values = {
            "softened": lambda: losses.softened_kl_loss(S, T, 2.0),
            "decoupled": lambda: losses.decoupled_kl_loss(S, T, Y, 2.0),
            "normalized": lambda: losses.normalized_kd_loss(S, T, Y, 2.0),
        }[loss]()
        expected = 0.3 * cross_entropy(S, Y) + 0.7 * numbers(values).mean()
        assert value(found.loss) == pytest.approx(expected, rel=1e-5)
        assert value(found.logs["accuracy"]) == pytest.approx(np.mean(S.argmax(axis=1)[LABELED] == Y[LABELED]))
        assert value(found.logs["teacher_accuracy"]) == pytest.approx(np.mean(T.argmax(axis=1)[LABELED] == Y[LABELED]))

    def test_weight_zero_is_supervised_training_and_one_takes_no_label(self):
        found = outcome(with_classifier("KnowledgeDistillation", teacher_weight=0.0), logits=S)
        assert value(found.loss) == pytest.approx(cross_entropy(S, Y), rel=1e-5)
        model = with_classifier("KnowledgeDistillation", teacher_weight=1.0)
        assert value(outcome(model, logits=S).loss) == value(outcome(model, logits=S, y=np.full(6, -1, "int32")).loss)

    def test_the_classifier_of_a_teacher_of_features_is_trained_on_labels_alone(self):
        model = tiny_model("KnowledgeDistillation", teacher_weight=1.0)
        assert model.teacher_head is not None and model.teacher.width == 128

        def loss(student, teacher):
            z = {"features": S, "logits": student, "teacher": teacher, "y": Y}
            return engine.reduce(model, {k: keras.ops.convert_to_tensor(v) for k, v in z.items()}, Step.at(6)).loss

        _, (_, of_teacher) = differentiate(loss, S, T, dtype="float32")
        p = np.exp(T.astype("float64")) / np.exp(T.astype("float64")).sum(axis=1, keepdims=True)
        expected = np.where(LABELED[:, None], p - np.eye(4)[np.maximum(Y, 0)], 0.0) / LABELED.sum()
        np.testing.assert_allclose(of_teacher, expected, atol=1e-6)

    def test_stored_logits_are_found_by_index(self, tmp_path):
        table = draws(20, 4)
        np.save(tmp_path / "logits.npy", table)
        given = {"stored_logits": str(tmp_path / "logits.npy")}
        model = with_classifier("KnowledgeDistillation", teacher=given)
        assert set(model.batch_fields) == {"y", "index"} and model.get_config()["teacher"] == given
        again = type(model).from_config(model.get_config())
        np.testing.assert_array_equal(again.teacher.array, table)
        found = model.teacher_logits(None, {"index": np.array([3, 19, 0])})
        np.testing.assert_array_equal(numbers(found), table[[3, 19, 0]].astype("float64"))
        assert np.isnan(numbers(model.teacher_logits(None, {"index": np.array([20, -1])}))).all()
        model.compile("sgd")
        data = {"x": IMAGES, "y": np.zeros(8, "int32"), "index": np.arange(12, 20, dtype="int32")}
        assert np.isfinite(model.fit(data, batch_size=8, verbose=0).history["loss"][0])
        with pytest.raises(ValueError, match="Received: 20 rows, index from 13 to 20"):
            model.fit({**data, "index": data["index"] + 1}, batch_size=8, verbose=0)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"teacher": "barlow_digit"}, "Closest: barlow_digits"),
            ({"teacher": np.zeros((5, 3))}, "3 columns"),
            ({"teacher": np.full((5, 4), np.nan)}, r"teacher of shape \(5, 4\)"),
            ({"teacher": {"stored_logits": "nowhere.npy"}}, "teacher='nowhere.npy'"),
            ({"teacher": "nowhere.npy"}, "give {'stored_logits': path}. Received: teacher='nowhere.npy'"),
            ({"teacher": {"logits": "nowhere.npy"}}, "Received: teacher={'logits'"),
            ({"teacher_weight": 1.1}, "teacher_weight=1.1"),
            ({"temperature": 0.0}, "temperature=0.0"),
            ({"loss": "hard"}, "loss='hard'"),
        ],
    )
    def test_refuses(self, options, message):
        with pytest.raises(ValueError, match=message):
            with_classifier("KnowledgeDistillation", **options)

    def test_a_model_in_memory_cannot_be_saved(self):
        for teacher in (classifier_teacher(), np.zeros((5, 4))):
            with pytest.raises(ValueError, match="cannot be saved"):
                with_classifier("KnowledgeDistillation", teacher=teacher).get_config()


class TestDualHeadDistillation:
    def test_equals_its_parts(self):
        model = with_classifier("DualHeadDistillation", teacher_weight=0.5, binary_weight=0.2, temperature=3.0)
        auxiliary = draws(6, 4, seed=2)
        found = outcome(model, logits=S, auxiliary=auxiliary)
        expected = cross_entropy(S, Y) + 0.5 * numbers(losses.softened_kl_loss(S, T, 3.0)).mean()
        expected += 0.2 * numbers(losses.binary_kl_loss(auxiliary, T, 2.0)).mean()
        assert value(found.loss) == pytest.approx(expected, rel=1e-5)

    def test_losses_do_not_meet_in_one_head(self):
        model = with_classifier("DualHeadDistillation")

        def part(name):
            def loss(logits, auxiliary):
                z = {"features": S, "logits": logits, "auxiliary": auxiliary, "teacher": T, "y": Y}
                return engine.reduce(model, {k: keras.ops.convert_to_tensor(v) for k, v in z.items()}, Step.at(6)).logs[
                    name
                ]

            return differentiate(loss, S, draws(6, 4, seed=2), dtype="float32")[1]

        of_main, of_auxiliary = part("binary")
        assert not np.any(of_main) and np.any(of_auxiliary)
        for name in ("supervised", "distilled"):
            of_main, of_auxiliary = part(name)
            assert np.any(of_main) and not np.any(of_auxiliary)

    def test_weight_zero_is_distillation_and_predictions_do_not_depend_on_the_auxiliary_head(self):
        model = with_classifier("DualHeadDistillation", binary_weight=0.0, teacher_weight=2.0)
        plain = with_classifier("KnowledgeDistillation", teacher_weight=0.5)
        found = outcome(model, logits=S, auxiliary=S)
        supervised = cross_entropy(S, Y)
        twice = 2.0 * value(outcome(plain, logits=S).loss)  # half of each part
        assert value(found.loss) - supervised == pytest.approx(2.0 * (twice - supervised), rel=1e-4)
        before = model.predict(IMAGES, verbose=0)
        model.auxiliary.set_weights([5 + weight for weight in model.auxiliary.get_weights()])
        np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), before)


class TestDualHeadOptimization:
    def test_equals_its_parts(self):
        model = with_classifier("DualHeadOptimization", label_weight=0.3)
        distilled = draws(6, 4, seed=2)
        expected = 0.3 * cross_entropy(S, Y) + 0.7 * numbers(losses.softened_kl_loss(distilled, T, 2.0)).mean()
        assert value(outcome(model, logits=S, distilled=distilled).loss) == pytest.approx(expected, rel=1e-5)
        equal = outcome(with_classifier("DualHeadOptimization", label_weight=0.0), logits=S, distilled=T)
        assert value(equal.loss) == pytest.approx(0.0, abs=1e-6)

    @pytest.mark.parametrize("mix", [0.0, 0.25, 1.0])
    def test_predictions_are_the_mixture(self, mix):
        model = with_classifier("DualHeadOptimization", mix=mix, mix_temperature=0.5)
        features = draws(3, 16)
        found = np.exp(numbers(model.classify(features)))
        a, b = (numbers(head(features)) for head in (model.classifier, model.distilled_head))
        soft = [np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in (a, b / 0.5)]
        np.testing.assert_allclose(found, mix * soft[0] + (1 - mix) * soft[1], rtol=1e-4)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)


class TestTAID:
    def test_time_zero_has_no_gradient_and_time_one_is_distillation(self):
        def loss(time):
            return lambda s, t: keras.ops.sum(interpolated_kl_loss(s, t, time))

        found, (of_student, _) = differentiate(loss(0.0), S, T)
        assert found == pytest.approx(0.0, abs=1e-6) and not np.any(of_student)
        found, (of_student, of_teacher) = differentiate(loss(1.0), S, T)
        expected, (wanted, _) = differentiate(lambda s, t: keras.ops.sum(losses.softened_kl_loss(s, t, 1.0)), S, T)
        assert found == pytest.approx(expected, rel=1e-5) and not np.any(of_teacher)
        np.testing.assert_allclose(of_student, wanted, atol=1e-6)

    def test_the_clock_equals_the_reference_and_never_falls(self):
        clock, rng = InterpolationTime(0.3, 0.95, rate=0.05, momentum=0.8), np.random.RandomState(0)
        time, trend, before = 0.3, 0.0, None
        for step in range(40):
            loss, progress = float(2.0 / (1 + step) + 0.1 * rng.rand()), step / 60
            linear = 0.3 + 0.65 * progress
            change = 0.0 if before is None else (before - loss) / (abs(before) + 1e-15)
            trend = 0.8 * trend + 0.2 * change
            moved = time if before is None else time + 0.05 / (1 + np.exp(-trend)) * (1 - time)
            new = min(0.95, max(linear, moved))
            assert new >= time
            time, before = new, loss
            clock.update(loss, progress)
            assert value(clock.time) == pytest.approx(time, rel=1e-5)
        clock.update(1.0, 1.0, updated=False)
        assert value(clock.time) == pytest.approx(time, rel=1e-5)

    def test_rounding_leaves_no_loss_below_zero(self, monkeypatch):
        """The divergence of nearly equal logits is negative now and then; a clock takes that for no loss yet."""
        model = tiny_model("TAIDDistiller")
        monkeypatch.setattr(taid_distiller, "interpolated_kl_loss", lambda s, t, time: keras.ops.full((6,), -1e-8))
        z = {"logits": keras.ops.convert_to_tensor(S), "teacher": keras.ops.convert_to_tensor(S)}
        model.after_step(z, True, Step.at(6))
        assert model.clock.get_weights()[0][2] == 0.0

    def test_without_the_rate_the_schedule_is_linear(self):
        clock = InterpolationTime(0.2, 0.8, rate=0.0)
        for progress in (0.1, 0.5, 1.0):
            clock.update(1.0, progress)
            assert value(clock.time) == pytest.approx(0.2 + 0.6 * progress, rel=1e-5)

    def test_equals_its_parts_and_moves_its_clock(self):
        model = with_classifier("TAIDDistiller", label_weight=0.5, start=0.3)
        expected = 0.5 * cross_entropy(S, Y) + numbers(interpolated_kl_loss(S, T, 0.3)).mean()
        found = outcome(model, logits=S)
        assert value(found.loss) == pytest.approx(expected, rel=1e-5)
        assert value(found.logs["time"]) == pytest.approx(0.3)
        model.compile("sgd")
        model.fit(IMAGES, np.zeros(8, "int32"), batch_size=4, epochs=2, verbose=0)
        assert value(model.clock.time) > 0.3

    @pytest.mark.parametrize(
        "options", [{"start": 0.9, "end": 0.5}, {"rate": -1.0}, {"momentum": 1.0}, {"label_weight": -1.0}]
    )
    def test_refuses(self, options):
        with pytest.raises(ValueError, match=f"Received: .*{next(iter(options))}="):
            with_classifier("TAIDDistiller", **options)


class TestSelectiveSelfTargets:
    def test_equals_the_reference(self):
        base = T.copy()
        base[0] = [5.0, 0, 1, 0]  # right
        model = with_classifier("SelectiveSelfTargets")
        found = outcome(model, logits=S, teacher=base)
        log_s = S.astype("float64") - np.log(np.exp(S.astype("float64")).sum(axis=1, keepdims=True))
        total = []
        for k in np.flatnonzero(LABELED):
            p = np.exp(base[k]) / np.exp(base[k]).sum()
            total.append(-np.sum(p * log_s[k]) if base[k].argmax() == Y[k] else -log_s[k, Y[k]])
        assert value(found.loss) == pytest.approx(np.mean(total), rel=1e-5)

    def test_a_base_that_is_wrong_everywhere_is_the_cross_entropy(self):
        wrong = 5 * np.eye(4, dtype="float32")[(np.maximum(Y, 0) + 1) % 4]
        found = outcome(with_classifier("SelectiveSelfTargets"), logits=S, teacher=wrong)
        assert value(found.loss) == pytest.approx(cross_entropy(S, Y), rel=1e-5)
        assert value(found.logs["own_answers"]) == 0.0

    def test_a_student_that_is_its_right_base_has_no_gradient(self):
        model, right = with_classifier("SelectiveSelfTargets"), 2 * np.eye(4, dtype="float32")[np.maximum(Y, 0)]

        def loss(student):
            z = {"features": S, "logits": student, "teacher": right, "y": Y}
            return engine.reduce(model, {k: keras.ops.convert_to_tensor(v) for k, v in z.items()}, Step.at(6)).loss

        _, (gradient,) = differentiate(loss, right, dtype="float32")
        np.testing.assert_allclose(gradient, 0.0, atol=1e-7)


class TestMDCS:
    def views(self, seed=0):
        return {
            f"{view}{k}": draws(6, 4, seed=seed + 7 * k + p)
            for k in range(3)
            for p, view in enumerate(("weak", "strong"))
        }

    def test_equals_the_reference(self):
        counts, tilts = (8, 4, 2, 1), (-0.5, 1.0, 2.5)
        model = tiny_model("MDCS", consistency=0.6, ramp=0.0, temperature=2.0)
        z = self.views()
        found = outcome(model, **z)
        log_prior = np.log(np.array(counts) / sum(counts))
        supervised = consistency = 0.0
        for k, tilt in enumerate(tilts):
            weak, strong = z[f"weak{k}"].astype("float64"), z[f"strong{k}"].astype("float64")
            supervised += sum(cross_entropy(x + tilt * log_prior, Y) for x in (weak, strong)) / 6
            rows = [r for r in np.flatnonzero(LABELED) if weak[r].argmax() == Y[r]]
            divergence = numbers(losses.softened_kl_loss(strong, weak, 2.0))
            consistency += sum(divergence[r] for r in rows) / LABELED.sum() / 3
        assert consistency > 0
        assert value(found.loss) == pytest.approx(supervised + 0.6 * consistency, rel=1e-4)

    def test_a_uniform_prior_is_the_cross_entropy_for_every_expert(self):
        z = self.views()
        found = outcome(tiny_model("MDCS", class_counts=None, consistency=0.0), **z)
        expected = np.mean([cross_entropy(z[f"{view}{k}"], Y) for k in range(3) for view in ("weak", "strong")])
        assert value(found.loss) == pytest.approx(expected, rel=1e-5)

    def test_without_a_right_weak_view_nothing_is_distilled(self):
        wrong = 5 * np.eye(4, dtype="float32")[(np.maximum(Y, 0) + 1) % 4]
        z = {**self.views(), **{f"weak{k}": wrong for k in range(3)}}
        assert value(outcome(tiny_model("MDCS", ramp=0.0), **z).logs["consistency"]) == 0.0

    def test_the_weight_rises_over_the_ramp(self):
        model, z = tiny_model("MDCS", ramp=0.5), self.views()
        parts = [outcome(model, Step.at(6, updates=n, total_updates=100), **z) for n in (0, 25, 50, 90)]
        base = value(parts[0].loss)
        gains = [value(part.loss) - base for part in parts]
        whole = value(parts[0].logs["consistency"])
        np.testing.assert_allclose(gains, [0.0, 0.5 * whole, whole, whole], rtol=1e-4, atol=1e-6)

    def test_predicts_the_mean_of_the_experts(self):
        model, features = tiny_model("MDCS"), draws(3, 16)
        expected = np.mean([numbers(expert(features)) for expert in model.experts], axis=0)
        np.testing.assert_allclose(numbers(model.classify(features)), expected, rtol=1e-4, atol=1e-6)
        assert len(model.trainable_variables) == len(model.encoder.trainable_variables) + 6

    @pytest.mark.parametrize(
        "options",
        [{"class_counts": (1, 2)}, {"class_counts": (1, 2, 3, 0)}, {"tilts": ()}, {"ramp": 2.0}, {"consistency": -1}],
    )
    def test_refuses(self, options):
        with pytest.raises(ValueError, match=f"Received: {next(iter(options))}="):
            tiny_model("MDCS", **options)


class TestProgressiveSelfDistillation:
    def z(self, logits=S, labels=Y):
        return {"logits": logits, "y": labels, "index": np.arange(6, dtype="int32")}

    def reduced(self, model, step, **z):
        tensors = {"features": S, **z}
        return engine.reduce(model, {k: keras.ops.convert_to_tensor(v) for k, v in tensors.items()}, step)

    def test_without_a_past_it_is_the_cross_entropy(self):
        model = tiny_model("ProgressiveSelfDistillation")
        found = self.reduced(model, Step.at(6, updates=50, total_updates=100), **self.z())
        assert value(found.loss) == pytest.approx(cross_entropy(S, Y), rel=1e-5) and value(found.logs["past"]) == 0.0

    def test_the_gradient_is_the_distance_to_the_refined_label(self):
        model = tiny_model("ProgressiveSelfDistillation", final_weight=0.8)
        model.after_step({k: keras.ops.convert_to_tensor(v) for k, v in self.z(T).items()}, True, Step.at(6))
        past = np.exp(T.astype("float64")) / np.exp(T.astype("float64")).sum(axis=1, keepdims=True)
        step = Step.at(6, updates=50, total_updates=100)

        def loss(logits):
            return self.reduced(model, step, **self.z(logits)).loss

        _, (gradient,) = differentiate(loss, S, dtype="float32")
        p = np.exp(S.astype("float64")) / np.exp(S.astype("float64")).sum(axis=1, keepdims=True)
        target = 0.6 * np.eye(4)[np.maximum(Y, 0)] + 0.4 * past
        np.testing.assert_allclose(gradient, np.where(LABELED[:, None], p - target, 0) / LABELED.sum(), atol=1e-6)

    def test_weight_zero_is_the_cross_entropy_and_a_step_fills_the_table(self):
        model = tiny_model("ProgressiveSelfDistillation", final_weight=0.0)
        model.compile("sgd")
        model.fit(IMAGES, np.zeros(8, "int32"), batch_size=8, verbose=0)
        rows = numbers(model.past.contents)
        np.testing.assert_allclose(rows[:8].sum(axis=1), 1.0, rtol=1e-5)
        assert not rows[8:].any()
        found = self.reduced(model, Step.at(6, updates=100, total_updates=100), **self.z())
        assert value(found.loss) == pytest.approx(cross_entropy(S, Y), rel=1e-5)

    def test_refuses(self):
        with pytest.raises(ValueError, match="Received: final_weight=1.5"):
            tiny_model("ProgressiveSelfDistillation", final_weight=1.5)
        model = tiny_model("ProgressiveSelfDistillation", dataset_size=5)
        model.compile("sgd")
        with pytest.raises(ValueError, match="dataset_size=5"):
            model.fit(IMAGES, np.zeros(8, "int32"), batch_size=8, verbose=0)


class TestUniversalSelfKD:
    def test_equals_its_parts(self):
        model, weak = tiny_model("UniversalSelfKD"), draws(6, 4, seed=3)
        z = {"features": S, "logits": S, "weak": weak, "y": Y}
        loss, logs = model.objective({k: keras.ops.convert_to_tensor(v) for k, v in z.items()}, Step.at(6))
        own = numbers(losses.universal_self_kd_loss(S, weak, Y, LABELED.astype("float32")))[LABELED].mean()
        assert value(loss) == pytest.approx(cross_entropy(S, Y) + own, rel=1e-5)
        assert value(logs["self_distilled"]) == pytest.approx(own, rel=1e-5)

    def test_the_weak_head_does_not_change_the_features(self):
        model = tiny_model("UniversalSelfKD")
        batch = {"x": keras.ops.convert_to_tensor(IMAGES[:4]), "y": keras.ops.convert_to_tensor(Y[:4])}
        first = model.embed(batch, Step.at(4))
        model.weak.set_weights([weight + 1 for weight in model.weak.get_weights()])
        second = model.embed(batch, Step.at(4))
        np.testing.assert_array_equal(numbers(first["logits"]), numbers(second["logits"]))
        assert np.any(numbers(first["weak"]) != numbers(second["weak"]))

    def test_refuses(self):
        with pytest.raises(ValueError, match="Received: classes=2"):
            tiny_model("UniversalSelfKD", classes=2)
        with pytest.raises(ValueError, match="Received: other_weight=-1.0"):
            tiny_model("UniversalSelfKD", other_weight=-1.0)
