CREATE TABLE t (id integer PRIMARY KEY, a bytea, b text, c uuid, d text);
INSERT INTO t VALUES (1, '\x00ff', 'é\', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'), (2, '', '', NULL, NULL), (3, NULL, NULL, NULL, NULL);
