/* The floor under every ODBC reader: connect, execute, SQLFetch until the end, nothing bound, nothing converted.
 * With `bound` as a second argument: every column bound as text, ROWS rows a fetch, which is the least a reader that wants
 * the values can do.
 * usage: echo CONNECTION_STRING | floor "SELECT ..." [bound]     prints: rows columns seconds
 * Seconds run from SQLExecDirect to the end of data. The connection string comes on stdin, so that no process list shows it.
 * unixODBC's prototypes are declared here: the headers need a -dev package, the library alone is enough to link. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef short SQLRETURN;
typedef void *SQLHANDLE;
enum { ENV = 1, DBC = 2, STMT = 3, ODBC_VERSION = 200, OV_ODBC3 = 3, NTS = -3, NO_DATA = 100 };
enum { ROWS = 1000, WIDTH = 256, C_CHAR = 1, ROW_ARRAY_SIZE = 27, ROWS_FETCHED_PTR = 26 };
SQLRETURN SQLAllocHandle(short, SQLHANDLE, SQLHANDLE *);
SQLRETURN SQLSetEnvAttr(SQLHANDLE, int, void *, int);
SQLRETURN SQLDriverConnect(SQLHANDLE, void *, unsigned char *, short, unsigned char *, short, short *, unsigned short);
SQLRETURN SQLExecDirect(SQLHANDLE, unsigned char *, int);
SQLRETURN SQLNumResultCols(SQLHANDLE, short *);
SQLRETURN SQLFetch(SQLHANDLE);
SQLRETURN SQLSetStmtAttr(SQLHANDLE, int, void *, int);
SQLRETURN SQLBindCol(SQLHANDLE, unsigned short, short, void *, long, long *);
SQLRETURN SQLDisconnect(SQLHANDLE);

static int bad(SQLRETURN code) { return code != 0 && code != 1; }

/* A value longer than WIDTH - 1 bytes is cut, which costs no more than one that fits; the values go nowhere. */
static int bind(SQLHANDLE stmt, short columns, unsigned long *fetched)
{
    char *values = malloc((size_t)columns * ROWS * WIDTH);
    long *lengths = malloc((size_t)columns * ROWS * sizeof(long));
    if (!values || !lengths) return 0;
    SQLSetStmtAttr(stmt, ROW_ARRAY_SIZE, (void *)(long)ROWS, 0);
    SQLSetStmtAttr(stmt, ROWS_FETCHED_PTR, fetched, 0);
    for (short c = 0; c < columns; c++)
        if (bad(SQLBindCol(stmt, (unsigned short)(c + 1), C_CHAR, values + (size_t)c * ROWS * WIDTH, WIDTH, lengths + (size_t)c * ROWS)))
            return 0;
    return 1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static char connection[4096];
    SQLHANDLE env, dbc, stmt;
    SQLRETURN code;
    short columns = 0;
    unsigned long fetched = 1;
    long rows = 0;
    double started;

    if (argc < 2 || argc > 3 || !fgets(connection, sizeof connection, stdin)) return 2;
    connection[strcspn(connection, "\n")] = 0;
    SQLAllocHandle(ENV, NULL, &env);
    SQLSetEnvAttr(env, ODBC_VERSION, (void *)(long)OV_ODBC3, 0);
    SQLAllocHandle(DBC, env, &dbc);
    if (bad(SQLDriverConnect(dbc, NULL, (unsigned char *)connection, NTS, NULL, 0, NULL, 0))) {
        fprintf(stderr, "floor: cannot connect\n");
        return 1;
    }
    SQLAllocHandle(STMT, dbc, &stmt);
    started = now();
    if (bad(SQLExecDirect(stmt, (unsigned char *)argv[1], NTS))) {
        fprintf(stderr, "floor: the statement was refused\n");
        return 1;
    }
    SQLNumResultCols(stmt, &columns);
    if (argc == 3 && !bind(stmt, columns, &fetched)) {
        fprintf(stderr, "floor: cannot bind\n");
        return 1;
    }
    while (!bad(code = SQLFetch(stmt))) rows += (long)fetched;
    if (code != NO_DATA) {
        fprintf(stderr, "floor: the fetch failed after %ld rows\n", rows);
        return 1;
    }
    printf("%ld %d %.6f\n", rows, columns, now() - started);
    SQLDisconnect(dbc);
    return 0;
}
