CREATE TABLE t (k char(5) NOT NULL, id integer PRIMARY KEY, a char(4), b varchar(8), c name, d text);
INSERT INTO t VALUES ('a', 1, 'ab', 'x  ', 'n ', 'abc  '), ('', 2, '', '', '', ''), (' b', 3, NULL, NULL, NULL, NULL), ('é🐬', 4, 'é', 'é  ', 'é', '  ');
