CREATE TABLE t (
  k ENUM('z','a','m','q','c','b','it''s','k,l') NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('z', 'n0'), ('a', 'n1'), ('m', 'n2'), ('q', 'n3'), ('c', 'n4');
