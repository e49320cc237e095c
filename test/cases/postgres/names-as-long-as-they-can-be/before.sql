CREATE TABLE "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxääääääääääääääääy" ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxääääääääääääääääy" serial PRIMARY KEY, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxääääääääääääääääz" int UNIQUE CHECK ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxääääääääääääääääz" > 0), b int);
INSERT INTO "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxääääääääääääääääy" ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxääääääääääääääääz") SELECT n FROM generate_series(1, 60) AS n;
CREATE INDEX ON "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxääääääääääääääääy" (b);
CREATE INDEX ON "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxääääääääääääääääy" ((b + 1));
