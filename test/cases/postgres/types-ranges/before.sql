CREATE TYPE floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TABLE t (
  id integer PRIMARY KEY,
  i4 int4range, i8 int8range, n numrange, ts tsrange, tz tstzrange, d daterange, f floatrange,
  mi int4multirange, mn nummultirange, mt tstzmultirange, mf floatmultirange
);
INSERT INTO t VALUES
  (1, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', '{}', '{}', '{}', '{}'),
  (2, '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '{(,)}', '{(,)}', '{(,)}', '{(,)}'),
  (3, '[1,5]', '(1,9223372036854775807)', '(1.0,1.00001]', '["2024-01-01 00:00","infinity")', '[-infinity,"2024-10-27 02:30:00+01"]', '[2024-01-01,2024-01-01]', '[-0,NaN]', '{[1,3),[5,7]}', '{(,1.0),[2.00,)}', '{["2024-01-01 00:00+00","2024-01-02 00:00+05:30")}', '{[0,1],[2,3]}'),
  (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (5, '(,0)', '[0,)', '[,5]', '(,"0001-01-01 BC")', '("10000-01-01 00:00+00",)', '[infinity,]', '(-Infinity,Infinity)', '{[1,2],[2,3]}', NULL, NULL, NULL);
