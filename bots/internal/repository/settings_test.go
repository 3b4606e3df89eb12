package repository

import (
	"testing"

	"foundry/bots/internal/bottest"
)

func TestFlags(t *testing.T) { bottest.Flags(t, "distbot", (*Settings).Declare) }
