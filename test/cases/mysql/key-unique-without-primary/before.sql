CREATE TABLE t (
  k INT NOT NULL,
  note VARCHAR(20),
  other INT,
  UNIQUE KEY by_k (k)
);
INSERT INTO t (k, note) VALUES (10, 'n0'), (20, 'n1'), (30, 'n2'), (40, 'n3'), (50, 'n4');
