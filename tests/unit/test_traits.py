"""Databases that are too old are refused with a sentence."""

import pytest
from sqlalchemy import create_engine

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.storage.dialects import refuse_old


@pytest.mark.parametrize(("version", "old"), [((3, 37, 2), True), ((3, 38, 0), False), ((4, 0), False)])
def test_old_database_is_refused(version: tuple[int, ...], old: bool) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        engine.dialect.server_version_info = version
        if old:
            sentence = r"^This is SQLite 3\.37\.2\. The service needs 3\.38 or newer\.$"
            with pytest.raises(ConfigurationError, match=sentence):
                refuse_old(connection)
        else:
            refuse_old(connection)
    engine.dispose()
