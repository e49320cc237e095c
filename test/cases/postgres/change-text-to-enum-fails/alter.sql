ALTER m TYPE mood USING m::mood
