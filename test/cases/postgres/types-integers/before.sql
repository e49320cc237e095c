CREATE TABLE t (
  id bigint PRIMARY KEY,
  s smallint, i integer, b bigint, o oid, flag boolean,
  ss smallserial, si serial, sb bigserial
);
INSERT INTO t (id, s, i, b, o, flag) VALUES
  (-9223372036854775808, -32768, -2147483648, -9223372036854775808, 0, true),
  (-1, -1, -1, -1, 1, false),
  (0, 0, 0, 0, 4294967295, NULL),
  (9223372036854775807, 32767, 2147483647, 9223372036854775807, 2147483648, true);
INSERT INTO t (id) VALUES (5), (6);
