CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE EXTENSION ltree;
CREATE TABLE t (id integer PRIMARY KEY, h hstore, c citext, l ltree, u citext UNIQUE);
INSERT INTO t VALUES (1, '', '', '', 'one'), (2, '"a b"=>NULL, c=>"it''s \"x\""', 'ABC', 'Top.Science', 'TWO'), (3, NULL, NULL, NULL, NULL), (4, 'k=>v', 'abc', 'Top', 'Three');
CREATE INDEX t_h ON t USING gin (h);
