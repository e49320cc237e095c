CREATE TABLE t (id integer PRIMARY KEY, x xml);
INSERT INTO t VALUES (1, '<a b="1">&lt;é🐬</a>'), (2, XMLPARSE(CONTENT 'text only')), (3, ''), (4, NULL), (5, XMLPARSE(DOCUMENT '<?xml version="1.0" standalone="yes"?><!-- c --><a><![CDATA[<>&]]></a>'));
