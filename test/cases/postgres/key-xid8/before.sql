CREATE TABLE t (k xid8 PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('0', 1),
  ('18446744073709551615', 2),
  ('9223372036854775808', 3),
  ('10', 4),
  ('9', 5),
  ('1', 6);
