CREATE TABLE t (e ENUM('a','é','B','ß') CHARACTER SET latin1 COLLATE latin1_bin NOT NULL, s SET('x','ÿ') CHARACTER SET latin1 NOT NULL, n INT, PRIMARY KEY (e, s)) DEFAULT CHARSET latin1;
INSERT INTO t VALUES ('a', 'x', 1), ('é', 'x,ÿ', 2), ('B', '', 3), ('ß', 'ÿ', 4);
