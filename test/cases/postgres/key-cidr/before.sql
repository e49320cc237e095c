CREATE TABLE t (k cidr PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('0.0.0.0/0', 1),
  ('192.168.1.5', 2),
  ('192.168.1.0/24', 3),
  ('::1', 4),
  ('10.0.0.0/8', 5),
  ('::/0', 6),
  ('255.255.255.255', 7);
