CREATE TABLE t (
  k SET('a','b','c','d''e','f') NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('', 'n0'), ('a', 'n1'), ('b,c', 'n2'), ('a,b,c,d''e', 'n3'), ('c', 'n4');
