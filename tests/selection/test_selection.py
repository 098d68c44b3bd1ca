"""The selection misses nothing that a change touches: one file changes at a time, and the graph says who needs it."""

import subprocess

import pytest

from tests.selection.changes import base_commit, changed_nodes, changed_parts
from tests.selection.import_graph import ROOT, ImportGraph
from tests.selection.plan import MOST, Plan
from tests.selection.selection import FAMILIES, METHODS, REFERENCE, WIDE, Selection

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def graph():
    return ImportGraph(ROOT, (METHODS,))


@pytest.fixture(scope="module")
def whole(graph):
    return Selection(graph, None)


@pytest.fixture
def after(graph, whole):
    def change(*paths):
        selection = Selection(graph, set(paths))
        for name in ("common", "method_closures", "own_closures"):  # of the graph alone
            setattr(selection, name, getattr(whole, name))
        return selection

    return change


# By hand, from the objectives' sources.
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("keras_ssl/losses/info_nce_loss.py", {"moco", "mochi", "nnclr", "identity_seeking", "simclr", "sup_con"}),
        ("keras_ssl/losses/nt_xent_loss.py", {"simclr", "sog_clr", "isog_clr", "scat_sim_clr"}),
        ("keras_ssl/losses/sinkhorn.py", {"swav", "dino"}),
        ("keras_ssl/objectives/self_distillation/byol.py", {"byol", "direct_pred"}),
        ("keras_ssl/layers/memory_bank.py", {"interclr"}),
        ("keras_ssl/layers/feature_queue.py", {"swav", "nnclr", "mochi", "ressl"}),
        ("keras_ssl/layers/symmetric_predictor.py", {"direct_pred"}),
        ("keras_ssl/views/multi_crop.py", {"swav", "dino"}),
        ("keras_ssl/encoders/vit.py", {"dino"}),
        ("keras_ssl/encoders/scattering_net.py", {"scat_sim_clr"}),
        ("zoo/recipes/tico_cifar10.toml", {"tico"}),
        ("examples/groco.py", {"groco"}),
        (f"{METHODS}::unlike_views", {"hard_contrastive"}),
        (f"{METHODS}::four_views", {"multi_view_info_nce", "multi_view_dhel"}),
        (f"{METHODS}::OBJECTIVES[w_mse]", {"w_mse"}),
    ],
)
def test_methods_that_need_a_file_are_touched(after, path, methods):
    assert methods <= after(path).touched


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("keras_ssl/losses/w_mse_loss.py", set()),
        ("keras_ssl/objectives/decorrelation/tico.py", {"tico"}),
        ("zoo/recipes/moco_digits.toml", {"moco"}),
        ("examples/moco.py", {"moco"}),
        ("docs/precision_and_accumulation.md", set()),
    ],
)
def test_others_are_not(after, path, methods):
    # A teacher is read from the zoo, which knows all methods.
    found = after(path)
    assert {name for name in found.touched if REFERENCE not in found.method_closures[name]} == methods


def test_users_of_a_layer_are_touched_and_no_others(after):
    touched = after("keras_ssl/layers/prototypes.py").touched
    assert touched >= {"swav", "dino"} and touched.isdisjoint({"simclr", "moco", "barlow_twins", "fix_match"})


@pytest.mark.parametrize("path", ["keras_ssl/training/ssl_model.py", "keras_ssl/training/batch.py", "pyproject.toml"])
def test_what_all_need_is_tested_with_two_of_each_family(after, path):
    selection = after(path)
    plan = selection.plan("commit")
    assert path in selection.common and len(plan.touched) <= WIDE  # methods that stand on it alone
    shown = {name for names in FAMILIES.values() for name in names}
    assert set(plan.representatives) >= shown
    conformance = "tests/objectives/test_conformance.py"
    taken = {name for name in plan.methods if plan.takes(conformance, f"test[{name}]", [name], "long")}
    assert shown <= taken < set(plan.methods)
    # Every ordinary test of it is run.
    for file in ("tests/training/test_ssl_model.py", "tests/objectives/clustering/test_swav.py"):
        assert plan.takes(file, "test") and plan.takes(file, "test", kind="slow")


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("keras_ssl/evaluation/knn.py", {"tests/evaluation/test_knn.py", "tests/callbacks/test_online_knn.py"}),
        (
            "keras_ssl/losses/tico_loss.py",
            {"tests/losses/test_tico_loss.py", "tests/objectives/decorrelation/test_tico.py"},
        ),
        ("keras_ssl/report/map.js", {"tests/report/test_map_section.py"}),
        ("keras_ssl/data/device_batches.py", {"tests/data/test_device_batches.py"}),  # imported in a function
        ("keras_ssl/checkpoints/storages.py", {"tests/checkpoints/test_read_torch.py"}),  # three imports away
        ("scripts/pretrain.py", {"tests/scripts/test_pretrain_resume.py", "tests/scripts/test_scripts.py"}),
        ("tests/losses/reference.py", {"tests/losses/test_sup_con_loss.py"}),
        ("tests/losses/conftest.py", {"tests/losses/test_info_nce_loss.py", "tests/losses/test_swav_loss.py"}),
        ("tests/encoders/dino_golden.npz", {"tests/encoders/test_vit.py"}),
        ("tests/conftest.py", {"tests/hub/test_address.py", "tests/views/test_compose.py"}),
        ("zoo/dino_vits8.toml", {"tests/hub/test_zoo_cards.py"}),
        ("docs/precision_and_accumulation.md", {"tests/training/test_accumulation.py"}),
        ("examples/moco.py", {"tests/test_examples.py"}),
        ("keras_ssl/hub/address.py", {"tests/test_layout.py"}),
        (
            "keras_ssl/testing/tiny_model.py",
            {"tests/objectives/contrastive/test_moco.py", "tests/objectives/test_conformance.py"},
        ),
        ("pyproject.toml", {"tests/hub/test_address.py"}),
    ],
)
def test_files_of_tests_that_need_a_file_are_run(after, path, files):
    selection = after(path)
    assert {file for file in files if selection.relation(file) == "none"} == set()


def test_a_test_file_that_changes_is_run(after):
    plan = after("tests/hub/test_address.py").plan("commit")
    assert plan.files["tests/hub/test_address.py"] == "itself"
    assert plan.takes("tests/hub/test_address.py", "test", kind="long")


def test_tests_that_need_nothing_of_it_take_turns(after):
    plan = after("keras_ssl/report/map.js").plan("commit")
    names = [f"test_{n}" for n in range(500)]
    assert plan.files["tests/losses/test_tico_loss.py"] == "none"
    taken = {name for name in names if plan.takes("tests/losses/test_tico_loss.py", name)}
    assert 60 < len(taken) < 140
    other = after("keras_ssl/report/map.js").plan("another commit")
    assert taken != {name for name in names if other.takes("tests/losses/test_tico_loss.py", name)}


def plan_of(count, **changes):
    methods = [f"method_{n}" for n in range(count)]
    settings = {
        "changed": 0,
        "touched": [],
        "representatives": methods[:8],
        "recipes": {},
        "files": {"t": "all", "u": "all"},
    }
    settings |= {"per_method": ["t"], "without_backend": [], "commit": "commit", "methods": methods}
    return Plan(**settings | changes)


def test_the_share_does_not_grow_with_the_number_of_methods():
    for count in (32, 230, 1000):
        plan = plan_of(count)
        taken = [name for name in plan.methods if plan.takes("t", f"test[{name}]", [name], "long")]
        assert 8 <= len(taken) <= 8 + 3 * MOST


def test_tests_of_one_method_take_turns_on_the_second_backend_after_a_change_of_what_all_need():
    names = [f"test_{n}" for n in range(100)]
    for relation, fewer in (("all", True), ("alone", False), ("itself", False)):
        plan = plan_of(50, changed=1, files={"tests/objectives/test_x.py": relation, "tests/training/test_y.py": "all"})
        taken = [name for name in names if plan.takes("tests/objectives/test_x.py", name, again=True)]
        assert (len(taken) < 40) is fewer and all(plan.takes("tests/objectives/test_x.py", name) for name in names)
        assert all(plan.takes("tests/training/test_y.py", name, again=True) for name in names)


def test_all_quick_tests_are_run_where_no_change_is_known():
    plan = plan_of(100, changed=None)
    assert all(plan.takes("t", f"test[{name}]", [name]) for name in plan.methods)
    assert plan.takes("u", "test") and plan.takes("u", "test", kind="slow")
    long = [name for name in plan.methods if plan.takes("t", f"test[{name}]", [name], "long")]
    assert 8 <= len(long) <= 8 + 3 * MOST
    assert 1 < sum(plan.takes("u", f"test_{n}", kind="long") for n in range(100)) < 40


def test_long_tests_can_be_held_to_so_many_methods():
    plan = plan_of(100, touched=[f"method_{n}" for n in range(20, 60)], long_methods=12)
    assert len(plan.touched_by_long()) == 12
    assert all(plan.takes("t", f"test[{name}]", [name], "slow") for name in plan.touched)
    assert "not by long tests: method_2" in plan.summary()


def test_methods_are_found_among_the_parameters(whole):
    plan = whole.plan("commit")
    conformance, hub = "tests/objectives/test_conformance.py", "tests/hub/test_recipe.py"
    assert plan.methods_of(conformance, ["byol", 3]) == {"byol"}
    assert plan.methods_of(conformance, [["byol", "tico"]]) == {"byol", "tico"}
    assert plan.methods_of("tests/test_examples.py", [ROOT / "examples" / "moco.py"]) == {"moco"}
    assert plan.methods_of(hub, ["mocov3_digits"]) == {"mocov3"}
    assert plan.methods_of("tests/views/test_recipes.py", ["simclr", None]) == set()


def test_every_recipe_has_its_method(whole):
    recipes = [path for path in (ROOT / "zoo" / "recipes").rglob("*.toml") if not path.parent.name.startswith("_")]
    assert len(whole.recipes) == len(recipes)  # but those that others extend
    assert set(whole.recipes.values()) == set(whole.methods)


def test_families_are_of_methods_that_there_are(whole):
    assert {name for names in FAMILIES.values() for name in names} <= whole.representatives <= set(whole.methods)
    assert WIDE < len(whole.methods)


def test_which_files_need_no_backend(whole):
    assert not whole.needs_backend("tests/checkpoints/test_read_torch.py")
    assert not whole.needs_backend("tests/report/test_thumbnails.py")
    assert whole.needs_backend("tests/objectives/contrastive/test_moco.py")
    assert whole.needs_backend("tests/evaluation/test_extract_features.py")


@pytest.mark.slow
def test_what_models_are_made_of_is_in_files_that_their_methods_need(whole):
    """Against the models themselves, because the graph is read from the source."""
    from tests.objectives.tiny import OBJECTIVES

    for name, make in OBJECTIVES.items():
        model = make()
        views = getattr(model.views, "views", [])
        parts = [
            *model._flatten_layers(),
            model.views,
            *views,
            *(op for view in views for op in getattr(view, "views", ())),
        ]
        modules = {base.__module__ for part in parts for base in type(part).__mro__}
        files = {f"{module.replace('.', '/')}.py" for module in modules if module.startswith("keras_ssl.")}
        assert f"{type(model).__module__.replace('.', '/')}.py" in files
        assert files <= whole.method(name), name


class TestGraph:
    @pytest.fixture
    def make(self, tmp_path):
        def write(**files):
            for name, text in files.items():
                path = tmp_path / (name.replace("__", "/").replace("/init", "/__init__") + ".py")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return ImportGraph(tmp_path, ("tests/table.py",))

        return write

    def test_a_name_of_a_package_leads_to_its_file_alone(self, make):
        graph = make(
            keras_ssl__init="from keras_ssl import a\nfrom keras_ssl.a import One\n",
            keras_ssl__a__init="from keras_ssl.a.one import One\nfrom keras_ssl.a.two import Two\n",
            keras_ssl__a__one="class One: pass\n",
            keras_ssl__a__two="class Two: pass\n",
            keras_ssl__late="from keras_ssl.a import two\n",
            tests__test_one="import keras_ssl as k\nk.One\n",
            tests__test_two="from keras_ssl import a as short\nshort.Two()\n",
            tests__test_both="import keras_ssl\ngetattr(keras_ssl.a, name)\n",
            tests__test_text="run('from keras_ssl.a import Two')\n",
            tests__test_function="def test():\n    from keras_ssl.late import anything\n",
            tests__test_unknown="from keras_ssl.a import made_at_run_time\n",
        )
        one, two = "keras_ssl/a/one.py", "keras_ssl/a/two.py"
        expected = {"one": {one}, "two": {two}, "both": {one, two}, "text": {two}, "function": {two}}
        for name, files in (expected | {"unknown": {one, two}}).items():
            assert graph.closure(f"tests/test_{name}.py") & {one, two} == files, name

    def test_what_a_registry_exports_is_found_by_its_definition(self, make):
        graph = make(
            keras_ssl__init="def __getattr__(name): ...\n",
            keras_ssl__objectives__new="@register(family='masked')\nclass New: pass\n",
            keras_ssl__objectives__other="class Other: pass\n",
            tests__table="import keras_ssl\nOBJECTIVES = {'new': keras_ssl.New}\n",
        )
        closure = graph.closure("tests/table.py")
        assert "keras_ssl/objectives/new.py" in closure and "keras_ssl/objectives/other.py" not in closure

    def test_a_table_changes_row_by_row(self, make):
        before = "import k\ndef f(): return 1\ndef g(): return 2\nT = {'a': f, 'b': g}\n"
        graph = make(tests__table=before.replace("2", "3").replace("}", ", 'c': f}"), tests__test_a="from tests.table")
        changed = changed_parts(graph, "tests/table.py", before)
        assert changed == {"tests/table.py::" + name for name in ("g", "T", "T[c]")}
        assert graph.closure("tests/table.py::T[b]") & changed and not graph.closure("tests/table.py::T[a]") & changed
        assert "tests/table.py::f" in changed_parts(graph, "tests/table.py", None)


class TestGit:
    @pytest.fixture
    def git(self, tmp_path, monkeypatch):
        for name in ("GATE_BASE", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            monkeypatch.delenv(name, raising=False)

        def run(*arguments, cwd=tmp_path):
            options = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
            done = subprocess.run(["git", *options, *arguments], cwd=cwd, capture_output=True, text=True, check=True)
            return done.stdout.strip()

        run("init")
        return run

    def commit(self, git, folder, name, text=""):
        (folder / name).write_text(text)
        git("add", ".")
        git("commit", "-m", name)
        return git("rev-parse", "HEAD")

    def test_base_is_the_commit_before_or_where_the_branch_left(self, git, tmp_path, monkeypatch):
        first = self.commit(git, tmp_path, "a.py")
        assert base_commit(tmp_path) is None  # the first
        second = self.commit(git, tmp_path, "b.py")
        assert base_commit(tmp_path) == first
        git("update-ref", "refs/remotes/origin/main", second)
        assert base_commit(tmp_path) == first  # origin/main itself
        self.commit(git, tmp_path, "c.py")
        self.commit(git, tmp_path, "d.py")
        assert base_commit(tmp_path) == second
        monkeypatch.setenv("GATE_BASE", first)
        assert base_commit(tmp_path) == first
        monkeypatch.setenv("GATE_BASE", "nothing")
        with pytest.raises(ValueError, match=r"must name a commit. Received: GATE_BASE='nothing'"):
            base_commit(tmp_path)

    def test_a_shallow_clone_has_no_base(self, git, tmp_path):
        self.commit(git, tmp_path, "a.py")
        self.commit(git, tmp_path, "b.py")
        git("clone", "--depth=1", f"file://{tmp_path}", "shallow")
        assert base_commit(tmp_path / "shallow") is None
        assert changed_nodes(ImportGraph(tmp_path / "shallow"), None) is None

    def test_a_folder_without_git_has_no_base(self, tmp_path, monkeypatch):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        monkeypatch.delenv("GATE_BASE", raising=False)
        assert base_commit(tmp_path) is None

    def test_changes_are_those_of_commits_of_the_working_tree_and_new_files(self, git, tmp_path):
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "beside.py").write_text("")
        for name in ("same.py", "committed.py", "edited.py", "x/gone.py"):
            base = self.commit(git, tmp_path, name)
        self.commit(git, tmp_path, "committed.py", "1")
        (tmp_path / "edited.py").write_text("1")
        (tmp_path / "new.py").write_text("1")
        (tmp_path / "x" / "gone.py").unlink()
        expected = {"committed.py", "edited.py", "new.py", "x/gone.py", "x/beside.py"}
        assert changed_nodes(ImportGraph(tmp_path), base) == expected
