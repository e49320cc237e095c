CREATE TABLE t (
  k INT NULL,
  note VARCHAR(20),
  UNIQUE KEY (k)
);
INSERT INTO t (k, note) VALUES (1, 'n0'), (2, 'n1'), (3, 'n2'), (4, 'n3'), (5, 'n4');
