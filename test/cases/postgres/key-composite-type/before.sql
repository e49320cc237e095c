CREATE TYPE pair AS (n integer, t text);
CREATE TABLE t (k pair PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('(1,a)', 1),
  ('(1,"")', 2),
  ('(2,"it''s")', 3),
  ('(,)', 4),
  ('(1,)', 5),
  ('(10,B)', 6),
  ('(9,"x,y")', 7);
