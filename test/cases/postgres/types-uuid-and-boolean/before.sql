CREATE TABLE t (id uuid PRIMARY KEY, b boolean, o uuid);
INSERT INTO t VALUES ('00000000-0000-0000-0000-000000000000', true, NULL), ('ffffffff-ffff-ffff-ffff-ffffffffffff', false, 'ffffffff-ffff-ffff-ffff-ffffffffffff'), ('{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}', NULL, 'a0eebc999c0b4ef8bb6d6bb9bd380a11');
INSERT INTO t SELECT md5(n::text)::uuid, n % 2 = 0, md5((-n)::text)::uuid FROM generate_series(1, 300) AS n;
