CREATE TABLE t (
  k INET6 NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('::', 'n0'), ('::1', 'n1'), ('ffff::', 'n2'), ('2001:db8::1', 'n3'), ('::ffff:192.0.2.1', 'n4');
