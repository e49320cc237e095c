CREATE DOMAIN short AS varchar(5);
CREATE DOMAIN shorter AS short;
CREATE TABLE t (k shorter PRIMARY KEY, d short, v integer);
INSERT INTO t VALUES ('a', 'x', 1), ('bad', 'bad', 2), ('c', 'y', 3), ('d', 'z', 4), ('e', 'bad', 5);
ALTER DOMAIN short ADD CHECK (VALUE <> 'bad') NOT VALID;
