from __future__ import annotations

import json
from pathlib import Path

import pytest

from kce.errors import BrokenPlugin, KCEError, UnknownName
from kce.hookspecs import KINDS
from kce.registry.registry import Registry, describe_component
from tests.support.hostile_plugins import good

HALVES = good("halves")


def write(folder: Path, registry: str = "", **plugins: str) -> Registry:
    (folder / "plugins").mkdir(exist_ok=True)
    (folder / "registry.toml").write_text(registry, encoding="utf-8")
    for name, text in plugins.items():
        (folder / "plugins" / f"{name}.py").write_text(text, encoding="utf-8")
    return Registry.load(folder)


def test_every_shipped_name_works() -> None:
    rows = Registry.load(Path("/")).list_components()
    assert {row["kind"] for row in rows} == set(KINDS)
    assert [row for row in rows if row["status"] != "ok"] == []


def test_a_dropped_in_file_is_known_by_its_own_name(tmp_path: Path) -> None:
    registry = write(tmp_path, mine=HALVES)
    assert "halves" in registry.names("clusterer")
    assert registry.build("clusterer", "halves:axis=3").axis == 3


def test_the_nearest_registry_above_adds_and_wins(tmp_path: Path) -> None:
    write(tmp_path, '[clusterer.mine]\nuse = "mine:halves"\naxis = 7\n[clusterer.kmeans]\nn_init = 3\n', mine=HALVES)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    registry = Registry.load(below)
    assert registry.build("clusterer", "mine").axis == 7
    assert registry.build("clusterer", "mine:axis=1").axis == 1
    assert registry.resolve("clusterer", "kmeans").parameters["n_init"] == 3
    assert Registry.load(Path("/")).resolve("clusterer", "kmeans").parameters["n_init"] != 3


def test_defaults_are_for_what_is_taken_and_set_nowhere_else(tmp_path: Path) -> None:
    tables = '[clusterer.mine]\nuse = "mine:halves"\naxis = 7\n[clusterer.plain]\nuse = "mine:halves"\n'
    registry = write(tmp_path, tables, mine=HALVES)
    assert registry.build_with_defaults("clusterer", "plain", axis=3, unheard_of=1).axis == 3
    assert registry.build_with_defaults("clusterer", "plain:axis=2", axis=3).axis == 2
    assert registry.build_with_defaults("clusterer", "mine", axis=3).axis == 7
    assert registry.given("clusterer", "mine") == {"axis": 7}
    assert registry.given("clusterer", "mine:axis=1") == {"axis": 1}


def test_finding_imports_nothing(tmp_path: Path) -> None:
    trap = "from pathlib import Path\nPath(__file__).with_name('touched').touch()\n"
    registry = write(tmp_path, mine=HALVES + trap, other=trap)
    registry.build("reducer", "none")
    assert not (tmp_path / "plugins" / "touched").exists()


BROKEN = {
    "fails_at_import": ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
    "syntax": ("def broken(:", "SyntaxError"),
    "exits": ("raise SystemExit(3)", "SystemExit"),
    "mistyped": (HALVES.replace("kce_clusterers", "kce_clusterer"), "Did you mean 'kce_clusterers'"),
    "takes_too_much": (HALVES.replace("kce_clusterers()", "kce_clusterers(register)"), "register"),
    "wrong_return": (HALVES.replace('{"halves": Halves}', "[Halves]"), "must return a dict"),
    "wrong_value": (HALVES.replace('{"halves": Halves}', '{"halves": 3}'), "must return a dict"),
    "hook_fails": (HALVES.replace('{"halves": Halves}', "1 / 0"), "ZeroDivisionError"),
    "tiny": (HALVES, "already used by a built-in plugin"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_listed_with_its_reason_and_stops_nobody_else(tmp_path: Path, name: str) -> None:
    text, reason = BROKEN[name]
    registry = write(tmp_path, f'[clusterer.wanted]\nuse = "{name}:halves"\n', good=HALVES, **{name: text})
    assert registry.build("clusterer", "halves").axis == 0
    rows = {(row["kind"], row["name"]): row for row in registry.list_components()}
    broken = [row for row in rows.values() if row["status"] == "broken" and reason in row["error"]]
    assert broken, rows
    assert rows["backbone", "tiny"]["status"] == "ok"
    if name != "tiny":
        with pytest.raises(BrokenPlugin, match=name) as error:
            registry.build("clusterer", "wanted")
        assert reason in str(error.value)


def test_plugins_are_found_in_folders_by_kind(tmp_path: Path) -> None:
    (tmp_path / "plugins" / "clusterers").mkdir(parents=True)
    (tmp_path / "plugins" / "elsewhere").mkdir()
    (tmp_path / "plugins" / "clusterers" / "mine.py").write_text(HALVES)
    (tmp_path / "plugins" / "elsewhere" / "other.py").write_text(HALVES)
    registry = write(tmp_path)
    assert registry.build("clusterer", "halves:axis=1").axis == 1
    assert (
        write(tmp_path, '[clusterer.renamed]\nuse = "mine:halves"\naxis = 2\n').build("clusterer", "renamed").axis == 2
    )
    assert registry.plugins.third_party() == ["mine"]
    assert registry.plugins.source("mine") == str(tmp_path / "plugins" / "clusterers" / "mine.py")


@pytest.mark.parametrize("second", ["reducers/mine.py", "mine.py", "datasets/mine/__init__.py"])
def test_a_plugin_name_that_two_folders_use_is_reported(tmp_path: Path, second: str) -> None:
    for name in ("clusterers/mine.py", second):
        (tmp_path / "plugins" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plugins" / name).write_text(HALVES)
    registry = write(tmp_path)
    rows = [row for row in registry.list_components() if row["status"] == "broken"]
    assert len(rows) == 2
    for row in rows:
        assert "two plugins are named 'mine'" in row["error"]
        assert str(tmp_path / "plugins" / "clusterers" / "mine.py") in row["error"]
        assert str(tmp_path / "plugins" / second.removesuffix("/__init__.py")) in row["error"]
    with pytest.raises(BrokenPlugin, match="two plugins are named 'mine'"):
        registry.plugins.offers("mine")
    assert "halves" not in registry.names("clusterer")
    assert registry.build("clusterer", "kmeans")


def test_a_built_in_keeps_its_name_whatever_folder_a_plugin_of_that_name_is_in(tmp_path: Path) -> None:
    (tmp_path / "plugins" / "clusterers").mkdir(parents=True)
    (tmp_path / "plugins" / "clusterers" / "sklearn_clusterers.py").write_text(HALVES)
    registry = write(tmp_path)
    assert registry.build("clusterer", "kmeans")
    (row,) = [row for row in registry.list_components() if row["status"] == "broken"]
    assert "already used by a built-in plugin" in row["error"]


@pytest.mark.parametrize(
    ("kind", "name", "use", "new"),
    [
        ("clusterer", "mine", "sklearn_parts:kmeans", "sklearn_clusterers:kmeans"),
        ("clusterer", "kmeans", "sklearn_parts:kmeans", "sklearn_clusterers:kmeans"),
        ("clusterer", "mine", "hdbscan_parts:hdbscan", "hdbscan_clusterer:hdbscan"),
        ("aligner", "mine", "plain:none", "no_aligner:none"),
        ("reducer", "mine", "plain:none", "no_reducer:none"),
        ("reducer", "mine", "sklearn_clusterers:pca", "principal_components:pca"),
    ],
)
def test_a_component_that_moved_to_another_plugin_is_named_there(
    tmp_path: Path, kind: str, name: str, use: str, new: str
) -> None:
    registry = write(tmp_path, f'[{kind}.{name}]\nuse = "{use}"\n')
    with pytest.raises(BrokenPlugin) as error:
        registry.build(kind, name)
    assert str(tmp_path / "registry.toml") in error.value.message
    assert f'use = "{new}"' in error.value.hint
    (row,) = [row for row in registry.list_components(kind) if row["name"] == name]
    assert row["status"] == "broken"


def test_a_registry_that_redefines_a_shipped_name_wins_here_and_nowhere_else(tmp_path: Path) -> None:
    halves = HALVES.replace("kce_clusterers", "kce_reducers")
    registry = write(tmp_path, '[reducer.pca]\nuse = "mine:halves"\n', mine=halves)
    assert registry.entry("reducer", "pca").plugin == "mine"
    assert registry.entry("reducer", "pca").source == str(tmp_path / "registry.toml")
    assert [row["plugin"] for row in registry.list_components("reducer") if row["name"] == "pca"] == ["mine"]
    with pytest.raises(UnknownName, match="parameter of reducer 'pca' named 'n_components'"):
        registry.resolve("reducer", "pca:n_components=2")
    assert Registry.load(Path("/")).entry("reducer", "pca").plugin == "principal_components"


def test_two_outsiders_with_one_component_name_are_told_apart_by_the_registry(tmp_path: Path) -> None:
    registry = write(tmp_path, a=HALVES, b=HALVES)
    with pytest.raises(BrokenPlugin, match="several plugins: a, b"):
        registry.build("clusterer", "halves")
    assert [row["status"] for row in registry.list_components("clusterer") if row["name"] == "halves"] == [
        "broken",
        "broken",
    ]
    assert write(tmp_path, '[clusterer.halves]\nuse = "b:halves"\n').build("clusterer", "halves")


def test_unknown_names_say_what_is_known_and_what_was_probably_meant() -> None:
    registry = Registry.load(Path("/"))
    with pytest.raises(
        UnknownName,
        match=r"no clusterer named 'kmean'. Did you mean 'kmeans'\? Known: affinity-propagation, agglomerative",
    ):
        registry.build("clusterer", "kmean")
    with pytest.raises(UnknownName, match="Did you mean 'n_clusters'"):
        registry.resolve("clusterer", "kmeans:n_cluster=3")
    with pytest.raises(UnknownName, match="Did you mean 'clusterer'"):
        registry.names("clusterers")


def test_datasets_are_found_by_the_names_people_use() -> None:
    registry = Registry.load(Path("/"))
    for name in ("FaceForensics++", "faceforensics++", "ffpp", "FF++"):
        assert registry.entry("dataset", name).name == "FaceForensics++"
    assert registry.entry("dataset", "Celeb-DF-v2").name == "CelebDFv2"


def test_a_disabled_name_is_listed_and_refused(tmp_path: Path) -> None:
    registry = write(tmp_path, "[clusterer.kmeans]\nenabled = false\n")
    assert "kmeans" not in registry.names("clusterer")
    assert [row["status"] for row in registry.list_components("clusterer") if row["name"] == "kmeans"] == ["disabled"]
    with pytest.raises(KCEError, match="disabled in"):
        registry.build("clusterer", "kmeans")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[clusterer.a", "is not a registry: Expected"),
        ('[clusterers.a]\nuse = "a:b"', "Did you mean 'clusterer'"),
        ("[clusterer.a]\nx = 1", "does not say what to use"),
        ('[clusterer.a]\nuse = "ab"', "is not plugin:factory"),
        ("clusterer = 3", "clusterer = 3 is not a table"),
        ("clusterer.a = 3", "clusterer.a = 3 is not a table"),
        ("[clusterer.a]\nuse = 3", "clusterer.a.use = 3 is not a text"),
        ('[clusterer.kmeans]\nenabled = "no"', 'clusterer.kmeans.enabled = "no" is not true or false'),
        ('[clusterer.kmeans]\naliases = "km"', r'clusterer.kmeans.aliases = "km" is not a list \(a text each\)'),
        ("[dataset.UADFV]\nreals = true", "dataset.UADFV.reals = true is not a text"),
        ("schema = 2", "has schema 2; this KCE reads and writes a registry of schema 1"),
        ('[clusterer."a:b"]\nuse = "a:b"', "no ':'"),
    ],
)
def test_a_registry_that_cannot_be_read_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(KCEError, match=message):
        write(tmp_path, text)


def test_parameters_given_twice_are_refused() -> None:
    with pytest.raises(KCEError, match="must not set 'seed': KCE sets it"):
        Registry.load(Path("/")).resolve("clusterer", "kmeans:seed=1", seed=2)


def test_resolved_text_builds_the_same_again() -> None:
    registry = Registry.load(Path("/"))
    text = registry.resolve("clusterer", "kmeans:n_clusters=4").spec
    assert registry.resolve("clusterer", text).spec == text


def test_describe_tells_where_defaults_come_from(tmp_path: Path) -> None:
    registry = write(tmp_path, '[clusterer.mine]\nuse = "mine:halves"\naxis = 7\n', mine=HALVES)
    found = describe_component(registry, "clusterer", "mine")
    assert found["doc"] == "Cuts at the mean of one axis."
    assert found["parameters"] == [{"name": "axis", "type": "int", "required": False, "default": 7, "from": "registry"}]
    json.dumps(found)


def test_trace_prints_hook_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KCE_TRACE", "1")
    Registry.load(tmp_path).build("reducer", "none")
    captured = capsys.readouterr()
    assert "kce_reducers" in captured.err
    assert captured.out == ""


def install(site: Path, name: str, **points: str) -> None:
    """A distribution on the path: its one module, and what it names in the entry-point group."""
    lay_out(site, name, "1.0", HALVES, points)


def lay_out(site: Path, name: str, version: str, text: str, points: dict[str, str], head: str = "") -> None:
    """A distribution as pip leaves it: a module with this text, its metadata with further lines, its entry points."""
    module = name.replace("-", "_")
    about = site / f"{module}-{version}.dist-info"
    about.mkdir(parents=True)
    (site / f"{module}.py").write_text(text, encoding="utf-8")
    (about / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{head}\nText.")
    lines = "\n".join(f"{point} = {target}" for point, target in points.items())
    (about / "entry_points.txt").write_text(f"[kce]\n{lines}\n")


def test_an_installed_package_is_known_by_what_it_offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "kce_halves", halves="kce_halves")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry.load(Path("/"))
    assert registry.build("clusterer", "halves:axis=2").axis == 2
    (row,) = [row for row in registry.list_components("clusterer") if row["name"] == "halves"]
    assert (row["status"], row["source"]) == ("ok", "kce_halves 1.0")


def test_two_packages_with_one_plugin_name_lose_it_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "kce_one", same="kce_one")
    install(tmp_path, "kce_two", same="kce_two")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry.load(Path("/"))
    rows = [row for row in registry.list_components() if row["name"].startswith("same")]
    assert {(row["source"], row["status"]) for row in rows} == {("kce_one 1.0", "broken"), ("kce_two 1.0", "broken")}
    assert all("two plugins are named 'same': kce_one 1.0 and kce_two 1.0" in row["error"] for row in rows)
    assert registry.build("clusterer", "kmeans")


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ('"2.0"', "a newer version of the plugin API, 2.0; this KCE has 1.0"),
        ('"0.9"', "an older version of the plugin API, 0.9"),
        ('"new"', "not a version"),
        ("2", "not a version"),
    ],
)
@pytest.mark.parametrize("more", ["", "from kce import what_only_the_next_has\n"], ids=["importable", "not importable"])
def test_a_plugin_of_another_api_is_refused_with_the_reason(
    tmp_path: Path, declared: str, reason: str, more: str
) -> None:
    registry = write(tmp_path, mine=f"KCE_API = {declared}\n{more}{HALVES}")
    with pytest.raises(BrokenPlugin) as error:
        registry.plugins.offers("mine")
    assert error.value.check == "api"
    assert reason in error.value.message
    assert "kmeans" in registry.names("clusterer")
    assert "halves" not in registry.names("clusterer")


@pytest.mark.parametrize("declared", ['KCE_API = "2.0"', 'KCE_API: str = "2.0"'])
def test_the_version_is_read_inside_a_package_that_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: str
) -> None:
    publish(tmp_path, "kce-next", "", "Author: Ann Author", "kce_next.parts.halves")
    (tmp_path / "kce_next" / "parts").mkdir(parents=True)
    (tmp_path / "kce_next" / "__init__.py").write_text("from kce import what_only_the_next_has\n")
    (tmp_path / "kce_next" / "parts" / "halves.py").write_text(declared)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry.load(Path("/"))
    with pytest.raises(BrokenPlugin, match=r"a newer version of the plugin API, 2\.0") as error:
        registry.plugins.offers("kce-next")
    assert error.value.check == "api"
    assert registry.plugins.api("kce-next") == "2.0"


@pytest.mark.parametrize("declared", ["", 'KCE_API = "1.0"\n', 'KCE_API = "1.7"\n'])
def test_a_plugin_of_this_api_or_a_later_minor_is_taken(tmp_path: Path, declared: str) -> None:
    assert "halves" in write(tmp_path, mine=declared + HALVES).names("clusterer")


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("import nosuchmodule", "imports"),
        ("raise SystemExit(3)", "imports"),
        ("from kce import hookimpl\n@hookimpl\ndef kce_clusterer():\n    return {}", "hooks"),
        ("from kce import hookimpl\n@hookimpl\ndef kce_clusterers():\n    return [int]", "hooks"),
        ("from kce import hookimpl\n@hookimpl\ndef kce_clusterers():\n    return {'a:b': int}", "names"),
        ("from kce import hookimpl\n@hookimpl\ndef kce_clusterers():\n    return {'': int}", "names"),
        ("from kce import hookimpl\n@hookimpl\ndef kce_clusterers():\n    raise SystemExit(3)", "hooks"),
    ],
)
def test_what_a_plugin_fails_has_a_name(tmp_path: Path, text: str, check: str) -> None:
    with pytest.raises(BrokenPlugin) as error:
        write(tmp_path, mine=text).plugins.offers("mine")
    assert error.value.check == check


def test_a_module_that_answers_to_every_name_offers_only_its_own(tmp_path: Path) -> None:
    registry = write(tmp_path, mine=f"def __getattr__(name):\n    return lambda: 1 / 0\n{HALVES}")
    assert registry.plugins.offers("mine").keys() == {"clusterer"}


def test_an_entry_point_that_names_no_module_is_broken_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, "kce-odd", f"{HALVES}\nPARTS = {{}}\n", "Author: Ann Author", "kce_odd:PARTS")
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = {
        row["name"]: row["error"] for row in Registry.load(Path("/")).list_components() if row["status"] == "broken"
    }
    assert broken.keys() == {"kce-odd"}
    assert "not a module" in broken["kce-odd"]


def publish(folder: Path, name: str, module: str, author: str, point: str = "") -> None:
    """A distribution with all that it tells of itself."""
    lay_out(folder, name, "0.3", module, {name: point or name.replace("-", "_")}, author)


def test_packages_are_listed_with_version_author_and_what_they_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kce.registry import distributions

    publish(tmp_path / "site", "kce-one", 'KCE_API = "1.0"\n' + HALVES, "Author: Ann Author\n")
    publish(tmp_path / "site", "kce-two", "import nosuchmodule", "Author-email: Bo Writer <bo@example.org>\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    rows = {
        row["distribution"]: row
        for row in distributions.list_distributions(write(tmp_path, three=HALVES.replace("halves", "thirds")))
    }
    assert rows["kce-one"]["offers"] == {"clusterer": ["halves"]}
    assert [rows["kce-one"][key] for key in ("version", "author", "api", "status")] == [
        "0.3",
        "Ann Author",
        "1.0",
        "ok",
    ]
    assert [rows["kce-two"][key] for key in ("author", "status")] == ["Bo Writer", "broken"]
    assert "nosuchmodule" in rows["kce-two"]["error"]
    assert rows[str(tmp_path / "plugins" / "three.py")]["offers"] == {"clusterer": ["thirds"]}
    assert set(rows["kce-toolkit"]["offers"]) == set(KINDS)


def test_every_source_has_its_row_whatever_it_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kce.registry import distributions

    site = tmp_path / "site"
    site.mkdir()
    install(site, "kce_pair", first="kce_pair", second="kce_more")
    (site / "kce_more.py").write_text(HALVES.replace("halves", "thirds"))
    (site / "kce_pair-1.0.dist-info" / "METADATA").write_bytes(
        b'Metadata-Version: 2.4\nName: kce_pair\nVersion: 1.0\nAuthor-email: "Writer, Bo" <bo@x.org>, Ann <ann@x.org>\n'
        b"Author-email: later@x.org\n\nName: not this"
    )
    install(site, "kce_other", first="kce_other")
    publish(site, "kce-idle", "", "Author: Zoë\n")
    monkeypatch.syspath_prepend(str(site))
    registry = write(tmp_path, '[clusterer.lost]\nuse = "nobody:lost"\n', three=HALVES.replace("halves", "thirds"))
    rows = {row["distribution"]: row for row in distributions.list_distributions(registry)}
    file = str(tmp_path / "plugins" / "three.py")
    assert {"kce-toolkit", "kce_pair", "kce_other", "kce-idle", file} <= rows.keys()
    assert "" not in rows
    assert rows["kce_pair"]["author"] == "Writer, Bo, Ann"
    assert rows["kce_pair"]["plugins"] == ["first", "second"]
    assert rows["kce_pair"]["offers"] == {"clusterer": ["thirds"]}
    assert rows["kce_pair"]["error"].splitlines()[1:] == ["offered by second and three"]
    assert [rows[name]["status"] for name in ("kce_pair", "kce_other", "kce-idle", "kce-toolkit")] == ["broken"] * 2 + [
        "ok"
    ] * 2
    assert "two plugins are named 'first'" in rows["kce_other"]["error"]
    assert (rows["kce-idle"]["author"], rows["kce-idle"]["offers"]) == ("Zoë", {})
    assert (rows[file]["version"], rows[file]["status"]) == ("", "broken")
    json.dumps(list(rows.values()))


def test_metadata_that_cannot_be_read_stop_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "kce_latin", latin="kce_latin")
    (tmp_path / "kce_latin-1.0.dist-info" / "METADATA").write_bytes("Name: kce_latin\nAuthor: Zoë\n".encode("latin-1"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (row,) = [row for row in Registry.load(Path("/")).list_components() if row["name"] == "halves"]
    assert (row["status"], row["source"]) == ("ok", "kce_latin")
