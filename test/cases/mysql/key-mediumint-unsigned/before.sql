CREATE TABLE t (
  k MEDIUMINT UNSIGNED NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES (0, 'n0'), (8388608, 'n1'), (16777215, 'n2'), (8388607, 'n3'), (1, 'n4'), (77, 'n5');
