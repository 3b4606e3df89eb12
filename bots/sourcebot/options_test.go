package main

import (
	"testing"

	"foundry/bots/internal/bottest"
)

func TestFlags(t *testing.T) { bottest.Flags(t, "sourcebot", (*options).declare) }
