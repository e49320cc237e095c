CREATE TABLE t (
  k TIME(2) NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('-838:59:59', 'n0'), ('838:59:59', 'n1'), ('-00:00:00.5', 'n2'), ('00:00:00', 'n3'), ('-12:00:00', 'n4'), ('12:34:56.78', 'n5');
