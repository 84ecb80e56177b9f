"""The catalogue: messages with file, line and field; hostile files; rules across tables; speed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cbm_etl_assets.errors import SpecError, UnknownTableError
from cbm_etl_assets.metadata.catalog import load_catalog, load_spec
from cbm_etl_assets.metadata.yamlcolumns import split_columns
from cbm_etl_assets.metadata.yamltext import parse_yaml

CLIENT = """\
table: client
primary_key: [cod_cli]
cursor: {columns: [dat_mod], precision: date, lookback: 1d}
columns:
  - {name: cod_cli, type: integer}
  - {name: dat_mod, type: date}
  - {name: nom, type: varchar(40), label: 2024}
"""


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def refusal(folder: Path, text: str, name: str = "client.yaml") -> str:
    file = put(folder, name, text)
    with pytest.raises(SpecError) as caught:
        load_catalog(folder)
    return caught.value.message.replace(str(file), name)


def test_tables_by_name_in_order(tmp_path: Path) -> None:
    put(tmp_path, "z.yaml", CLIENT)
    put(tmp_path, "a.yml", CLIENT.replace("table: client", "table: Stock\ntarget: Stock_jour"))
    put(tmp_path, ".hidden.yaml", "broken: [")
    put(tmp_path, "table.schema.json", "{}")
    catalog = load_catalog(tmp_path)
    assert list(catalog) == ["client", "Stock_jour"]
    assert catalog["client"].columns[2].label == "2024"
    assert catalog.get_or_raise("STOCK_JOUR").table == "Stock"
    with pytest.raises(UnknownTableError, match=r"Unknown table 'clients'\. Known: Stock_jour, client\."):
        catalog.get_or_raise("clients")


def test_an_empty_folder_is_an_empty_catalogue_and_a_missing_one_an_error(tmp_path: Path) -> None:
    assert len(load_catalog(tmp_path)) == 0
    with pytest.raises(SpecError, match="does not exist"):
        load_catalog(tmp_path / "none")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("label: 2024", "lable: x", "client.yaml:7: columns[2].lable: unknown field. Did you mean 'label'? Known: case_sensitive, clean,"),
        ("table: client", "tabel: client", "client.yaml:1: tabel: unknown field. Did you mean 'table'?"),
        ("table: client", "owners: []", "client.yaml:1: table: is missing"),
        ("lookback: 1d", "lookbak: 1d", "client.yaml:3: cursor.lookbak: unknown field. Did you mean 'lookback'? Known: columns, lookback,"),
        ("lookback: 1d", "lookback: soon", "client.yaml:3: cursor.lookback: 'soon': "),
        ("type: varchar(40)", "type: varchr(40)", "client.yaml:7: columns[2].type: Unknown type 'varchr(40)'. Known: varchar,"),
        (
            "[cod_cli]",
            "[code_cli]",
            "client.yaml:2: primary_key[0]: unknown column 'code_cli'. Did you mean 'cod_cli'? Known: cod_cli, dat_mod, nom.",
        ),
        ("[dat_mod]", "[nom]", "client.yaml:3: cursor.columns[0]: column 'nom' is varchar(40); a cursor is a date"),
        ("name: nom", "name: COD_CLI", "client.yaml:7: columns[2]: column 'COD_CLI' is declared twice"),
        ("type: date}", "type: date, exclude: true}", "client.yaml:3: cursor.columns[0]: column 'dat_mod' is excluded"),
        ("type: integer}", "type: integer, extent: 3}", "client.yaml:2: primary_key[0]: column 'cod_cli' is an array of 3"),
        ("label: 2024", "mask: null", "client.yaml:7: columns[2].mask: null without quotes means no mask at all"),
        ("type: integer}", "type: integer, mask: redact}", "client.yaml:5: columns[0].mask: mask redact gives text"),
        (
            "type: integer}",
            "type: varchar, mask: redact}",
            "client.yaml:2: primary_key[0]: mask redact of 'cod_cli' makes different keys equal",
        ),
        ("name: nom", "name: nom, target: _hashdiff", "client.yaml:7: columns[2].target: '_hashdiff' is a technical column"),
        ("table: client", "table: client\ntable: client", "client.yaml:2: 'table' is given twice"),
        ("table: client", "table: client\ntarget: ../x", "client.yaml:2: target: '../x': string should match pattern"),
        ("table: client", "table: client\nowners: [bob]", "client.yaml:2: owners: owner 'bob' must be an e-mail address or team:name"),
        ("table: client", "table: client\ntags: {a b: c}", "client.yaml:2: tags: tag 'a b: c' may hold letters"),
        ("table: client", "table: client\ngroup: a-b", "client.yaml:2: group: 'a-b': string should match"),
        (
            "table: client",
            "table: client\nschedule: {cron: 0 25 * * *}",
            "client.yaml:2: schedule.cron: cron '0 25 * * *': hour '25' must be 0 to 23",
        ),
        ("table: client", "table: client\nschedule: {timezone: Mars}", "client.yaml:2: schedule.timezone: unknown time zone 'Mars'"),
        ("table: client", "table: client\nfreshness: {warn: 3d}", "client.yaml:2: freshness.warn: must not be later than freshness.fail"),
        ("table: client", "table: client\npartition: {grain: day}", "client.yaml:2: partition.start: is missing"),
    ],
)
def test_messages_name_file_line_and_field(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in CLIENT
    message = refusal(tmp_path, CLIENT.replace(old, new, 1))
    assert expected in message


def test_every_problem_of_a_file_is_named_in_order_of_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, CLIENT.replace("integer", "int").replace("lookback", "look").replace("date}", "dat}"))
    assert [line.split(" ")[0] for line in message.splitlines()] == ["client.yaml:3:", "client.yaml:5:", "client.yaml:6:"]


@pytest.mark.parametrize(
    ("names", "target"),
    [(("a-b", "a_b"), "a_b"), (("Nom", "nom_"), "nom"), (("x", "x_1"), "x_1"), (("gencod-v", "gencod v"), "gencod_v")],
)
def test_names_that_collide_in_the_warehouse(tmp_path: Path, names: tuple[str, str], target: str) -> None:
    first = f"{{name: {names[0]}, type: integer{', extent: 2' if names[0] == 'x' else ''}}}"
    message = refusal(tmp_path, f"table: t\ncolumns:\n  - {first}\n  - {{name: {names[1]}, type: date}}\n", "t.yaml")
    assert f"t.yaml:4: columns[1]: columns '{names[0]}' and '{names[1]}' both become '{target}'" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "the file is empty; a spec has at least `table:`"),
        (b"# nothing\n", "the file is empty"),
        (b"- a\n- b\n", "a spec is a mapping of fields such as `table: client`, not a list"),
        (b"\x7fELF\x02\x01\x00\x00", "NUL byte"),
        (b"table: \xff\xfe", "byte 0xff is not UTF-8 text"),
        (b"table: \x07", "not valid YAML"),
        (b"table: client\ncolumns:\n  - {name: a, type: integer", "not valid YAML"),
        (b"table: client\ncolumns:\n  - {name: a, ty", "not valid YAML"),
        (b"table: !!python/object/apply:os.system ['true']\n", "tag tag:yaml.org,2002:python/object/apply:os.system is not allowed"),
        (b"table: &a client\ngroup: *a\n", "alias *a is not allowed"),
        (b"table: a\n---\ntable: b\n", "second document"),
        (b"? [a, b]\n: c\n", "a mapping or list as a key"),
        (b"[" * 5000, "nesting deeper than 20 levels"),
        (b"table: t\nx: [" + b"a," * 400_000 + b"]", "more than 150,000 values is not allowed"),
        (b"table: t\ncolumns:\n" + b"  - {nam: a}\n" * 70_000, "columns: 70,000 columns; at most 5,000"),
        (b"table: t\nprimary_key: [" + b"zz," * 60_000 + b"]\ncolumns:\n  - {name: a, type: date}\n", "at most 32 items"),
        (b"x: " + b"y" * 1_100_000, "a spec has at most 1,000,000"),
    ],
)
def test_hostile_files_are_refused_quickly(tmp_path: Path, text: bytes, expected: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(text)
    started = time.process_time()  # not the clock on the wall: beside other work 2 s of ours become 5
    with pytest.raises(SpecError) as caught:
        load_catalog(tmp_path)
    assert time.process_time() - started < 5
    assert caught.value.message.startswith(str(file))
    assert expected in caught.value.message


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    lines = ['a0: &a0 ["x", "x", "x", "x", "x", "x", "x", "x", "x"]']
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert "bomb.yaml:2: alias *a0 is not allowed" in refusal(tmp_path, "\n".join(lines), "bomb.yaml")


def test_unreadable_entries_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(SpecError, match="is not a file"):
        load_catalog(tmp_path)


def table(name: str, more: str = "") -> str:
    return f"table: {name}\n{more}columns:\n  - {{name: id, type: integer}}\n"


def test_two_tables_with_one_target(tmp_path: Path) -> None:
    put(tmp_path, "a.yaml", table("order-line"))
    message = refusal(tmp_path, table("x", "target: Order_Line\n"), "b.yaml")
    assert message.startswith("b.yaml:2: target: target 'Order_Line' is already the target of a.yaml")


def test_dependencies_must_exist_and_must_not_turn_in_a_circle(tmp_path: Path) -> None:
    put(tmp_path, "a.yaml", table("a", "depends_on: [B]\n"))
    put(tmp_path, "b.yaml", table("b"))
    catalog = load_catalog(tmp_path)
    assert (catalog.dependencies("a"), catalog.in_load_order) == (("b",), ("b", "a"))
    assert "b.yaml:2: depends_on[0]: unknown table 'aa'. Known: a, b." in refusal(tmp_path, table("b", "depends_on: [aa]\n"), "b.yaml")
    put(tmp_path, "c.yaml", table("c", "depends_on: [a]\n"))
    put(tmp_path, "d.yaml", table("d", "depends_on: [c]\n"))
    assert "in a circle: a -> b -> c -> a" in refusal(tmp_path, table("b", "depends_on: [c]\n"), "b.yaml").replace(str(tmp_path), "")


def test_a_history_must_not_meet_a_table(tmp_path: Path) -> None:
    put(tmp_path, "a.yaml", table("a", "history: true\n"))
    assert "target 'a_history' is the history of table 'a'" in refusal(tmp_path, table("a_history"), "b.yaml")


def test_reserved_words_and_date_cursors_are_reported_not_refused(tmp_path: Path) -> None:
    put(
        tmp_path,
        "o.yaml",
        "table: Order\ncursor: {columns: [desc]}\ncolumns:\n  - {name: desc, type: date}\n  - {name: plan, type: date}\n",
    )
    warnings = load_catalog(tmp_path).warnings
    assert [w.partition(": ")[2].split(";")[0] for w in warnings] == [
        "target 'Order' is a reserved word of DuckDB, PostgreSQL, SQL Server",
        "column 'desc': 'desc' is a reserved word of DuckDB, PostgreSQL, SQL Server",
        "column 'plan': 'plan' is a reserved word of SQL Server",
        "cursor desc is a date without time of day: write precision: date, or name its time_column",
    ]


QUALITY = "quality:\n  - custom: {function: 'm:f', columns: [id], arguments: {min: 0, max: 1.5, strict: true, code: 007, name: 'yes'}}\n"


def test_numbers_of_a_quality_rule_are_numbers_and_other_scalars_stay_text(tmp_path: Path) -> None:
    file = put(tmp_path, "t.yaml", table("t", QUALITY))
    arguments = {"min": 0, "max": 1.5, "strict": True, "code": "007", "name": "yes"}
    assert load_spec(file).quality == ({"custom": {"function": "m:f", "columns": ["id"], "arguments": arguments}},)


VALUE = st.one_of(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=12).map(lambda t: yaml.safe_dump(t, allow_unicode=True, width=10_000).strip()),
    st.text(alphabet="ab \"'\\,{}[]:#é-?*&!%@`\n\t1", max_size=10),
    st.sampled_from(
        ["null", "~", "yes", "007", "1.5", '"a, b"', "''", "it's", "varchar(30)", '"decimal(18,2)"', "{trim: true}", "[a, b]", "x "]
    ),
)


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["name", "type", "label", "clean"]), VALUE), min_size=1, max_size=3), min_size=1, max_size=3
    )
)
def test_the_shortcut_for_columns_says_what_yaml_says(columns: list[list[tuple[str, str]]]) -> None:
    lines = "".join("  - {" + ", ".join(f"{k}: {v}" for k, v in column) + "}\n" for column in columns)
    text = f"table: t\ncolumns:\n{lines}"

    def slow(part: str) -> object:
        return parse_yaml(part + "\nz: 1\n" if part.startswith("table") else part, "x")  # a field after columns: no shortcut

    try:
        quick = split_columns(text, lambda part: parse_yaml(part, "x"))
    except SpecError:
        return
    if quick is not None:
        whole = slow(text)
        assert isinstance(whole, dict)
        del whole["z"]
        assert quick == whole


def test_fifty_wide_tables_open_in_a_moment(tmp_path: Path) -> None:
    kinds = ["varchar(30)", "integer", '"decimal(18,2)"', "date"]
    lines = "".join(f'  - {{name: col-{j}, type: {kinds[j % 4]}, label: "Libellé n° {j}"}}\n' for j in range(300))
    for i in range(50):
        put(tmp_path, f"t{i}.yaml", f"table: t{i}\nprimary_key: [col-1]\ncolumns:\n{lines}")
    started = time.process_time()
    assert len(load_catalog(tmp_path)) == 50
    assert time.process_time() - started < 3  # 0.3 s on an idle core; ten times that means the shortcut is lost twice over
