/* The floor under every ODBC reader: connect, execute, SQLFetch until the end, nothing bound, nothing converted.
 * usage: echo CONNECTION_STRING | floor "SELECT ..."     prints: rows columns seconds
 * Seconds run from SQLExecDirect to the end of data. The connection string comes on stdin, so that no process list shows it.
 * unixODBC's prototypes are declared here: the headers need a -dev package, the library alone is enough to link. */
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef short SQLRETURN;
typedef void *SQLHANDLE;
enum { ENV = 1, DBC = 2, STMT = 3, ODBC_VERSION = 200, OV_ODBC3 = 3, NTS = -3, NO_DATA = 100 };
SQLRETURN SQLAllocHandle(short, SQLHANDLE, SQLHANDLE *);
SQLRETURN SQLSetEnvAttr(SQLHANDLE, int, void *, int);
SQLRETURN SQLDriverConnect(SQLHANDLE, void *, unsigned char *, short, unsigned char *, short, short *, unsigned short);
SQLRETURN SQLExecDirect(SQLHANDLE, unsigned char *, int);
SQLRETURN SQLNumResultCols(SQLHANDLE, short *);
SQLRETURN SQLFetch(SQLHANDLE);
SQLRETURN SQLDisconnect(SQLHANDLE);

static int bad(SQLRETURN code) { return code != 0 && code != 1; }

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
    long rows = 0;
    double started;

    if (argc != 2 || !fgets(connection, sizeof connection, stdin)) return 2;
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
    while (!bad(code = SQLFetch(stmt))) rows++;
    if (code != NO_DATA) {
        fprintf(stderr, "floor: the fetch failed after %ld rows\n", rows);
        return 1;
    }
    printf("%ld %d %.6f\n", rows, columns, now() - started);
    SQLDisconnect(dbc);
    return 0;
}
