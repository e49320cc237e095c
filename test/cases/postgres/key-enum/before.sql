CREATE TYPE mood AS ENUM ('z', '🐬', 'a', '', 'it''s', 'A', 'b', 'd', 'c');
CREATE TABLE t (k mood PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('z', 2),
  ('it''s', 3),
  ('a', 4),
  ('b', 5),
  ('🐬', 6),
  ('A', 7);
