/* The yardstick of `bench events`: nothing but BEGIN, one INSERT and COMMIT, as fast as one thread can.
 *
 * loop DATABASE MIGRATION EVENTS RESOURCES-BEFORE
 *
 * The schema is the archive's own file, triggers and all, with the same pragmas. What the archive adds, this leaves out:
 * no hash, no look at the tail, no other thread. Prints the microseconds that one event took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sqlite3.h"

static char sql[1 << 17];
static const char body[] =
    "{\"eventId\":\"0b1d0d8e-0000-4000-8000-000000000000/1\",\"seq\":1,\"epoch\":3,\"action\":\"release.applying\","
    "\"resourceType\":\"deployment\",\"resourceId\":\"0b1d0d8e-0000-4000-8000-000000000000\","
    "\"resourceName\":\"shop/web-v1\",\"projectId\":\"shop\",\"teamId\":\"web\",\"environmentId\":\"production\","
    "\"actorId\":\"alice@example.com\",\"source\":\"kubectl\",\"status\":\"started\","
    "\"occurredAt\":\"2026-01-02T03:04:05.5Z\",\"detail\":{\"note\":\"some note about it\"}}";

static sqlite3 *db;

static void fail(const char *what) {
  fprintf(stderr, "loop: %s: %s\n", what, sqlite3_errmsg(db));
  exit(1);
}

static sqlite3_stmt *prepare(const char *text) {
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) fail(text);
  return statement;
}

static void run(sqlite3_stmt *statement, const char *what) {
  if (sqlite3_step(statement) != SQLITE_DONE) fail(what);
  sqlite3_reset(statement);
}

static void text(sqlite3_stmt *statement, int at, const char *value) {
  if (sqlite3_bind_text(statement, at, value, -1, SQLITE_STATIC) != SQLITE_OK) fail("bind");
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: loop DATABASE MIGRATION EVENTS RESOURCES-BEFORE\n");
    return 2;
  }
  int events = atoi(arguments[3]), before = atoi(arguments[4]);
  if (sqlite3_open_v2(arguments[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL))
    fail("open");
  FILE *file = fopen(arguments[2], "r");
  if (!file) {
    fprintf(stderr, "loop: %s cannot be read\n", arguments[2]);
    return 1;
  }
  sql[fread(sql, 1, sizeof sql - 1, file)] = 0;
  fclose(file);
  if (sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;", 0, 0, 0))
    fail("pragmas");
  if (sqlite3_exec(db, sql, 0, 0, 0)) fail("schema");
  sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *commit = prepare("COMMIT");
  sqlite3_stmt *insert = prepare("INSERT INTO deployment_events VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  char hash[32];
  memset(hash, 7, sizeof hash);
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int n = 0; n < events; n++) {
    char resource[64], id[80];
    snprintf(resource, sizeof resource, "0b1d0d8e-0000-4000-8000-%012d", before + n / 6);
    snprintf(id, sizeof id, "%s/%d", resource, n % 6 + 1);
    run(begin, "BEGIN");
    sqlite3_bind_int64(insert, 1, n + 1);
    text(insert, 2, id);
    sqlite3_bind_int64(insert, 3, n % 6 + 1);
    sqlite3_bind_int64(insert, 4, 3);
    text(insert, 5, "release.applying");
    text(insert, 6, "deployment");
    text(insert, 7, resource);
    text(insert, 8, "shop/web-v1");
    text(insert, 9, "shop");
    text(insert, 10, "web");
    text(insert, 11, "production");
    text(insert, 12, "alice@example.com");
    text(insert, 13, "kubectl");
    text(insert, 14, "started");
    text(insert, 15, "2026-01-02T03:04:05.500000000Z");
    text(insert, 16, "{\"note\":\"some note about it\"}");
    text(insert, 17, body);
    sqlite3_bind_blob(insert, 18, hash, sizeof hash, SQLITE_STATIC);
    sqlite3_bind_blob(insert, 19, hash, sizeof hash, SQLITE_STATIC);
    sqlite3_bind_blob(insert, 20, hash, sizeof hash, SQLITE_STATIC);
    run(insert, "INSERT");
    run(commit, "COMMIT");
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
  printf("%.3f\n", seconds * 1e6 / events);
  sqlite3_finalize(begin);
  sqlite3_finalize(commit);
  sqlite3_finalize(insert);
  return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}
