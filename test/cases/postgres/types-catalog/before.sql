CREATE TABLE t (
  id integer PRIMARY KEY,
  c regclass, ty regtype, f regproc, p regprocedure, o regoper, r regrole, n regnamespace, co regcollation, cfg regconfig,
  l pg_lsn, x xid8, y xid, ci cid, ti tid, sn pg_snapshot, ov oidvector, iv int2vector
);
CREATE TABLE other ("odd Name" integer);
CREATE TYPE "odd type" AS ENUM ('a');
INSERT INTO t VALUES
  (1, 'pg_class', 'integer', 'upper(text)'::regprocedure::oid::regproc, 'abs(integer)', 0, 'pg_monitor', 'pg_catalog', '"C"', 'simple', '0/0', '0', '0', '0', '(0,0)', '10:20:10,14,15', '1 2 3', '1 -2'),
  (2, 'other', '"odd type"', 0, 0, 0, 0, 'public', 0, 0, 'FFFFFFFF/FFFFFFFF', '18446744073709551615', '4294967295', '4294967295', '(4294967295,65535)', '1:1:', '', ''),
  (3, 4294967295, 999999, 999999, 999999, 999999, 999999, 999999, 999999, 999999, '1/2', '1', '3', '1', '(1,1)', NULL, NULL, NULL),
  (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
