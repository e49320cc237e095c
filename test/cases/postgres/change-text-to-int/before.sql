CREATE TABLE t (id integer PRIMARY KEY, a text DEFAULT '5', b varchar(20));
INSERT INTO t VALUES (1, '1', ' 42 '), (2, '-2147483648', '0x'), (3, NULL, NULL), (4, '+7', ''), (5, '007', 'n/a');
