ALTER m DROP DEFAULT, ALTER m TYPE mood USING m::mood, ALTER m SET DEFAULT 'it''s ok', ALTER n TYPE mood USING lower(n)::mood
