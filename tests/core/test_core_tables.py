"""Tables that a user hands over."""

import pandas as pd
import pytest

from trueshot.core.errors import DataError
from trueshot.core.tables import read_table


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_both_formats_are_read(name, tmp_path):
    table, path = pd.DataFrame({"arch": ["a", "b"], "score": [1.0, 2.0]}), tmp_path / name
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path, index=False)
    assert read_table(path, ("arch", "score")).equals(table)


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_table(tmp_path / "absent.csv", ())
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match=r"cannot read .*bad.parquet"):
        read_table(tmp_path / "bad.parquet", ())
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="has no column 'arch': it has a, b"):
        read_table(tmp_path / "other.csv", ("arch",))
