"""The words of the dialect: keywords, refused words, functions under another name, clocks.

Data only. A keyword is never taken for an unquoted column; OpenEdge wants such columns quoted.
"""

from __future__ import annotations

KEYWORDS = frozenset(
    """ALL AND ANY AS ASC BETWEEN BY CASE CAST CROSS DATE DESC DISTINCT ELSE END ESCAPE EXCEPT EXISTS FETCH FIRST FOR FROM FULL
    GROUP HAVING IN INNER INTERSECT IS JOIN LEFT LIKE MINUS NATURAL NEXT NOT NULL OFFSET ON ONLY OR ORDER OUTER RIGHT ROW ROWS SELECT
    SOME THEN TIME TIMESTAMP TOP UNION USING WHEN WHERE WITH CHAR CHARACTER VARCHAR DECIMAL NUMERIC INTEGER INT BIGINT SMALLINT FLOAT
    DOUBLE PRECISION BIT
    SYSDATE SYSTIME SYSTIMESTAMP SYSTIMESTAMP_TZ CURDATE CURTIME CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP""".split()  # noqa: SIM905 - a list would be ninety lines
)

# PostgreSQL would take them; OpenEdge does not, and a replicator that writes them must fail here, not in production.
REFUSED_WORDS = frozenset("LIMIT ILIKE TRUE FALSE RETURNING LATERAL SIMILAR TABLESAMPLE FILTER OVER WINDOW".split())  # noqa: SIM905

# Sent by the driver itself, or harmless: passed on as they are.
CONTROL = frozenset(
    "ABORT BEGIN CLOSE COMMIT DEALLOCATE DISCARD END FETCH MOVE RELEASE RESET ROLLBACK SAVEPOINT SET SHOW START".split()  # noqa: SIM905
)

FUNCTIONS = {
    "IFNULL": "coalesce", "NVL": "coalesce", "UCASE": "upper", "LCASE": "lower", "INSTR": "strpos", "PRO_ELEMENT": "cbm_twin.pro_element",
    "PRO_ARR_DESCAPE": "cbm_twin.pro_arr_descape", "PRO_ARR_ESCAPE": "cbm_twin.pro_arr_escape", "YEAR": "cbm_twin.year",
    "MONTH": "cbm_twin.month", "DAYOFMONTH": "cbm_twin.dayofmonth", "HOUR": "cbm_twin.hour", "MINUTE": "cbm_twin.minute",
    "SECOND": "cbm_twin.second",
}  # fmt: skip

# The source's wall clock, not the server's: OpenEdge stamps in local time without a zone.
_NOW = "cbm_twin.now_local()"
CLOCK = {
    "SYSTIMESTAMP": _NOW, "CURRENT_TIMESTAMP": _NOW, "NOW": _NOW, "SYSDATE": f"{_NOW}::date", "CURDATE": f"{_NOW}::date",
    "CURRENT_DATE": f"{_NOW}::date", "SYSTIME": f"{_NOW}::time", "CURTIME": f"{_NOW}::time", "CURRENT_TIME": f"{_NOW}::time",
    "SYSTIMESTAMP_TZ": "clock_timestamp()",
}  # fmt: skip
