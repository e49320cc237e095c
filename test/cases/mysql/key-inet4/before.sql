CREATE TABLE t (
  k INET4 NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('0.0.0.0', 'n0'), ('10.0.0.1', 'n1'), ('255.255.255.255', 'n2'), ('127.0.0.1', 'n3'), ('9.9.9.9', 'n4');
