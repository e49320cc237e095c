CREATE TABLE t (
  k VARCHAR(300) NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k(10))
);
INSERT INTO t (k, note) VALUES ('a', 'n0'), ('b', 'n1'), ('c', 'n2'), ('d', 'n3'), ('e', 'n4');
