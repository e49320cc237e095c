CREATE TABLE t (id integer PRIMARY KEY, v tsvector, q tsquery);
INSERT INTO t VALUES
  (1, '', ''), (2, 'a:1A b:2,3C ''it''''s'':4 🐬:16383', '''a b'' & !c | d <-> e'), (3, NULL, NULL),
  (4, to_tsvector('simple', repeat('word and other ', 2000)), 'a:*AB <5> (b | c)'), (5, E'''back\\\\slash''', '!a');
CREATE INDEX t_v ON t USING gin (v);
