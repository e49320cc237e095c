CREATE TABLE t (k uuid PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('00000000-0000-0000-0000-000000000000', 1),
  ('ffffffff-ffff-ffff-ffff-ffffffffffff', 2),
  ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 3),
  ('10eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 4),
  ('90eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 5),
  ('b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 6);
