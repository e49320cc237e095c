DROP a, ADD a text, DROP COLUMN b, ADD b integer NOT NULL DEFAULT 9, DROP c, ADD c bigint
